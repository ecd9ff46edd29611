# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Utterance segmentation: audio, faces and words in, parts of utterances out, by stamps alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mmer_ros.sensing.active_speaker import ActiveSpeaker, SpeakerConfig, SpeakerFaces
from mmer_ros.sensing.audio_front_end import AudioFrontEnd, PcmRun
from mmer_ros.sensing.face_queue import FaceQueue
from mmer_ros.sensing.own_voice import Mutable, OwnVoice
from mmer_ros.sensing.persons import PersonsConfig
from mmer_ros.sensing.speech_segmenter import (
    NO_AUDIO,
    SpeechConfig,
    SpeechPiece,
    SpeechSegmenter,
    SpokenUtterance,
)
from mmer_ros.sensing.time_line import Order, Presence
from mmer_ros.sensing.transcript_alignment import align, Span, speaking_time
from mmer_ros.types import AudioBlock, FaceCrop, Int16, StreamEvent, Transcript, UtterancePart
from pydantic import BaseModel, ConfigDict, Field

OUTAGE_S = 6.0  # microphone and camera silent together: the network has stopped, not the speaker
MAX_AHEAD_S = 30.0  # images further ahead of the audio than this are not kept for it
PUNCTUAL_S = 0.3  # images that are at most this far ahead of the audio count as the present
SHORTEST_S = 0.5  # a face that was seen for less, when the streams end, is no utterance


class SegmenterConfig(BaseModel):
    """Settings of the utterance segmentation."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    speech: SpeechConfig = SpeechConfig()
    speaker: SpeakerConfig = SpeakerConfig()
    face_search_s: float = Field(1.0, ge=0, le=10, description=(
        'The whole image is searched for faces once in this many seconds; in between, known faces '
        'are verified where they should be, which costs a tenth. A new face is found within this '
        'time. 0 searches each image.'))
    persons: PersonsConfig = PersonsConfig()
    face_wait_s: float = Field(0.3, ge=0, le=5, description=(
        'An utterance waits this many seconds for images that lag behind the audio.'))
    transcript_wait_s: float = Field(0.25, ge=0, le=10, description=(
        'After the end of speech an utterance waits this many seconds for its words. Raise it '
        'for a slow speech recogniser if you prefer one late estimate to an early one and its '
        'revision.'))
    transcript_late_s: float = Field(3.0, ge=0, le=60, description=(
        'Words that come up to this many seconds after the end of speech revise the estimate.'))
    transcript_ends_speech: bool = Field(False, description=(
        'Words that arrive in a pause of segmenter.speech.provisional_s end the utterance at '
        'once, without the rest of segmenter.speech.vad.hangover_s. Set it if the speech '
        'recogniser sends words only when a sentence is over.'))
    stall_s: float = Field(1.0, ge=0.2, le=60, description=(
        'An input counts as absent after this many seconds of silence.'))
    face_only_s: float = Field(3.0, ge=0.5, le=60, description=(
        'Without a microphone, each utterance made from faces alone lasts this many seconds.'))
    own_speech_tail_s: float = Field(0.3, ge=0, le=10, description=(
        'After the robot has spoken, the microphone stays muted for this many seconds. Raise it '
        'in a room that echoes.'))


@dataclass
class _Utterance:
    """What is known of an utterance until words can no longer revise it."""

    spoken: SpokenUtterance
    faces: SpeakerFaces
    voice_id: str = ''
    heard: bool = False  # there is a microphone
    parts: int = 0
    revision: int = 0
    words: list[str] = field(default_factory=list)  # not yet in a part
    has_text: bool = False
    released: bool = False  # its last part is out

    @property
    def span(self) -> Span:
        spoken = self.spoken
        return Span(spoken.utterance_id, spoken.start, spoken.end, spoken.ongoing, self.has_text)


class UtteranceSegmenter:
    """
    Cut the streams into utterances and give them out part by part.

    Everything is decided by capture times: the same stamps give the same parts, whatever the
    speed and the sizes of the messages. Audio alone has the time line of utterances; images and
    words are matched to it and never move it. Only whether there is a microphone is decided by
    when audio arrives. Things a person should know collect in `events`.

    :param probability: as in speech.SpeechSegmenter.
    """

    def __init__(self, config: SegmenterConfig, probability: Callable[[Int16], float]) -> None:
        """Start with nothing received."""
        self.config = config
        self.events: list[StreamEvent] = []
        self._dialogue = 0
        self._front_end = AudioFrontEnd()
        self._microphone = Presence(config.stall_s, OUTAGE_S)
        self._images = FaceQueue()
        self._active = ActiveSpeaker(config.speaker)
        self._own_voice = OwnVoice(config.own_speech_tail_s)
        self._activity = Mutable(probability)
        self._speech = SpeechSegmenter(config.speech, self._activity, self._active.hear)
        self._spoken_until = 0.0  # end of the speech before
        self._told = 0.0  # capture time that `advance` has reached
        self._orphans: list[Transcript] = []
        self._known: list[_Utterance] = []  # open, waiting or still revisable; oldest first
        self._waiting: deque[tuple[_Utterance, SpeechPiece]] = deque()
        self._last_faces_only = 0.0

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open."""
        return self._speech.utterance is not None

    @property
    def speaker(self) -> str:
        """Id of the face that speaks; '' if none does or it is not known."""
        return next((u.faces.choice.face_id for u in self._known if u.spoken.ongoing), '')

    @property
    def dialogue(self) -> int:
        """Number of the dialogue, as of UtterancePart."""
        return self._dialogue

    def begin_dialogue(self) -> None:
        """Let all parts from now on be of another dialogue, as after a jump of time."""
        self._dialogue += 1

    def push_audio(self, block: AudioBlock, arrival: float | None = None) -> list[UtterancePart]:
        """
        Take a block of audio.

        :param arrival: when it came, seconds of any clock that goes on; None: not known.
        :raises InvalidInput: if the samples cannot be used; nothing received before is lost.
        """
        self._microphone.arrived(arrival)
        try:
            runs = self._front_end.push(block)
        finally:
            self.events += self._front_end.events
            self._front_end.events = []
        parts: list[UtterancePart] = []
        for run in runs:
            if run.restart and run.stamp < self._speech.end:
                parts += self._end_time_line(run.stamp)
            self._hear(run)
        return parts + self._complete()

    def set_own_speaking(self, speaking: bool, stamp: float) -> None:
        """
        Take whether the robot speaks from the capture time `stamp` (seconds) on.

        Audio of its speech is replaced by silence; an utterance that is open then ends, and words
        that a recogniser understood meanwhile are left out.
        """
        self._own_voice.announce(speaking, stamp)

    def leaves_out(self, stamp: float, source: str = '') -> bool:
        """Return whether an image is behind an earlier one, or too far ahead of the audio."""
        return self._is_ahead(stamp) or self._images.order(stamp, source) is Order.LATE

    def _is_ahead(self, stamp: float) -> bool:
        audio = self._front_end.clock
        return (not self._microphone.absent and audio is not None
                and stamp > audio + MAX_AHEAD_S)

    def push_faces(self, stamp: float, crops: list[FaceCrop], arrival: float | None = None,
                   source: str = '') -> list[UtterancePart]:
        """
        Take the faces of an image; call it for images without a face, too.

        :param stamp: capture time of the image, seconds.
        :param arrival: as in `push_audio`.
        :param source: of the images, where there are several; each has a time line of its own.
        """
        self._microphone.other_arrived(arrival)
        audio = self._front_end.clock
        has_audio = not self._microphone.absent
        if audio is not None and self._is_ahead(stamp):
            self._event('image_ahead', stamp,
                        f'image: stamped {stamp - audio:.1f} s ahead of the audio; it was left '
                        'out; check the clocks of camera and microphone')
            return self._complete()
        behind = (self._images.clock or stamp) - stamp
        order = self._images.push_stamp(stamp, source)
        if order is Order.LATE:
            self._event('image_late', stamp,
                        f'image: {behind:.3f} s behind the one ahead of it; it was left out; '
                        'check the network, and the clock of the camera')
            return self._complete()
        parts: list[UtterancePart] = []
        if order is Order.JUMP_BACK:
            self._event('image_backwards', stamp,
                        f'image: the time of the camera went back by {behind:.2f} s')
            parts += self._end_time_line(stamp) if audio is None else self._complete()
            self._images.drop_from(stamp)
            self._last_faces_only = self._told = stamp
        self._images.push_faces(crops)
        self._active.see(crops)
        if has_audio:
            self._last_faces_only = stamp
        else:
            self._faces_only(stamp, self.config.face_only_s)
        return parts + self._complete()

    def push_transcript(self, transcript: Transcript, arrival: float | None = None
                        ) -> list[UtterancePart]:
        """
        Take words; empty ones are left out.

        :param arrival: as in `push_audio`.
        """
        self._microphone.other_arrived(arrival)
        if transcript.sounds:
            self._event('transcript_sounds', transcript.stamp,
                        'transcript: tags for sounds, such as [BLANK_AUDIO], are no words; they '
                        'were left out')
            if not transcript.text:
                return []
        if not transcript.text:
            self._event('transcript_empty', transcript.stamp,
                        'transcript: empty; it was left out')
            return []
        if self._own_voice.has_said(transcript):
            self._event('transcript_own_speech', transcript.stamp,
                        'transcript: words that were recognised while the robot spoke; they were '
                        'left out')
            return []
        revised = self._assign(transcript)
        if revised is None:
            self._orphans.append(transcript)
        if not self._reached():
            self._told = transcript.stamp
        return (revised or []) + self._complete()

    def advance(self, now: float) -> list[UtterancePart]:
        """
        Take note that the capture time `now` (seconds) has been reached and nothing has arrived.

        Call it several times a second where no input may come any more, to end a stalled
        utterance.
        """
        self._microphone.idle(now)
        self._told = now
        return self._complete()

    def rewind(self, now: float) -> list[UtterancePart]:
        """
        Take note that a clock went back to `now`, unless the stamps have shown it.

        :return: what ends. The audio goes on from where it is until its own stamps jump.
        """
        if now >= self._reached() - self.config.stall_s:
            return []
        parts = self._end_time_line(now)
        self._told = now
        return parts

    def _reached(self) -> float:
        """
        Return the capture time that the streams have reached, seconds; 0 before the first.

        Audio decides as long as it comes. What is ahead of it by more than one block's delay is
        ahead because audio is late, and has to wait.
        """
        audio = self._front_end.clock
        others = max(self._images.clock or 0.0, self._told)
        if audio is None:
            return others
        if self._microphone.absent:
            return max(others, audio)
        return others if audio < others <= audio + PUNCTUAL_S else audio

    def _complete(self) -> list[UtterancePart]:
        """Return what has become complete."""
        if self.speaking and self._microphone.absent:
            self._event('audio_stalled', self._reached(),
                        f'audio: nothing for {self.config.stall_s:.1f} s in mid-speech; the '
                        'utterance was closed; check the microphone')
            self._take(self._speech.close())
            self._speech.reset(self._speech.end)
        parts = []
        while self._waiting and self._ready(*self._waiting[0]):
            parts.append(self._release(*self._waiting.popleft()))
        self._forget()
        return parts + self._resolve_orphans()

    def _end_time_line(self, now: float) -> list[UtterancePart]:
        """Close all from before a jump of time to `now`, and let another dialogue begin."""
        self._take(self._speech.close())
        self._speech.reset(self._speech.end)
        parts = self._release_all() + self._resolve_orphans(force=True)
        self._known.clear()
        self._active.reset()
        self._own_voice.rewind(now)
        self._images.expect_jump()
        self._spoken_until = self._last_faces_only = self._told = 0.0
        self.begin_dialogue()
        return parts

    def flush(self) -> list[UtterancePart]:
        """End all streams and return what is left, the open utterance closed."""
        heard = not self._microphone.absent
        self._microphone.reset()
        for run in self._front_end.flush():
            self._hear(run)
        self._take(self._speech.close())
        self._speech.reset(self._speech.end)
        if not heard and self._images.clock is not None:
            self._faces_only(self._images.clock, SHORTEST_S)
        parts = self._release_all() + self._resolve_orphans(force=heard)
        self._images.reset()
        self._known.clear()
        return parts

    def _event(self, kind: str, stamp: float, text: str) -> None:
        self.events.append(StreamEvent(kind, stamp, text))

    def _hear(self, run: PcmRun) -> None:
        """Take audio, silence where the robot speaks; a change begins a new utterance."""
        for stretch, muted in self._own_voice.split(run):
            if muted != self._activity.muted:
                self._take(self._speech.close())
                self._speech.reset(self._speech.end)
                self._activity.muted = muted
            self._take(self._speech.push(stretch))

    def _take(self, pieces: list[SpeechPiece]) -> None:
        """Queue pieces of speech until the images and words that belong to them are here."""
        for piece in pieces:
            self._waiting.append((self._know(piece.utterance), piece))
            self._spoken_until = piece.end if piece.last else self._spoken_until
        if self._speech.utterance is not None:
            self._know(self._speech.utterance)

    def _know(self, spoken: SpokenUtterance) -> _Utterance:
        for utterance in self._known:
            if utterance.spoken is spoken:
                return utterance
        self._known.append(self._new(spoken))
        return self._known[-1]

    def _new(self, spoken: SpokenUtterance, words: Sequence[str] = (), *,
             has_text: bool = False) -> _Utterance:
        watched = max(spoken.start - self.config.speaker.lookback_s, self._spoken_until)
        return _Utterance(spoken, SpeakerFaces(spoken.start, watched), words=list(words),
                          has_text=has_text)

    def _ready(self, utterance: _Utterance, piece: SpeechPiece) -> bool:
        """Return whether the images and words of the piece have come, or never will."""
        now, images = self._reached(), self._images.clock
        if images is not None and images < piece.end and now - images <= self.config.face_wait_s:
            return False
        if piece.last and not piece.cut and not utterance.has_text:
            return now >= piece.end + self.config.transcript_wait_s
        return True

    def _release(self, utterance: _Utterance, piece: SpeechPiece) -> UtterancePart:
        """Turn a piece of speech into a part, with the faces and words that go with it."""
        crops = [crop for crop in self._images.pop_before(piece.end)
                 if crop.stamp >= utterance.spoken.start]
        heard = utterance.heard = utterance.heard or piece.audio.size > 0
        faces = utterance.faces.take(crops, piece.end, self._active, last=piece.last, heard=heard)
        choice = utterance.faces.choice
        part = UtterancePart(
            utterance_id=utterance.spoken.utterance_id, index=utterance.parts,
            utterance_start=utterance.spoken.start, start=piece.start, end=piece.end,
            audio=piece.audio, text=' '.join(utterance.words),
            faces=faces, person_id=utterance.faces.person_id, face_id=choice.face_id,
            voice_id=utterance.voice_id, last=piece.last, cut=piece.cut,
            pause=piece.pause, revision=utterance.revision, speaker_by=choice.by,
            speaker_margin=choice.margin, dialogue=self._dialogue)
        utterance.words = []
        utterance.parts += 1
        utterance.released |= piece.last
        return part

    def _release_all(self) -> list[UtterancePart]:
        parts = [self._release(*waiting) for waiting in self._waiting]
        self._waiting.clear()
        self._images.clear()
        return parts

    def _forget(self) -> None:
        """Let go of faces and utterances that nothing can need any more."""
        late, now = self.config.transcript_late_s, self._reached()
        for utterance in self._known:
            if utterance.spoken.dropped and utterance.words:
                self._leave_out(utterance.spoken.end)
        self._known = [u for u in self._known if not u.spoken.dropped and (
            not u.released or now - u.spoken.end <= late)]
        horizon = now - self.config.face_only_s
        for utterance in self._known:
            if not utterance.released:
                horizon = min(horizon, utterance.spoken.start)
        self._images.pop_before(horizon)

    def _assign(self, transcript: Transcript) -> list[UtterancePart] | None:
        """Give words to their utterance; None if there is none, its revision if it is over."""
        found = align(transcript.stamp, transcript.text, [u.span for u in self._known],
                      self.config.transcript_late_s, transcript.start)
        if found is None:
            return None
        utterance = next(u for u in reversed(self._known) if u.spoken.utterance_id == found)
        utterance.words.append(transcript.text)
        utterance.voice_id = transcript.speaker or utterance.voice_id
        utterance.has_text = True
        if not utterance.released:
            return self._words_in_pause(utterance)
        utterance.revision += 1
        end = utterance.spoken.end
        return [self._release(utterance, SpeechPiece(utterance.spoken, end, end, NO_AUDIO, True))]

    def _words_in_pause(self, utterance: _Utterance) -> list[UtterancePart]:
        """Let words that come while speech pauses end it, or renew the provisional estimate."""
        spoken = utterance.spoken
        if spoken is not self._speech.utterance or not self._speech.pausing or any(
                waiting is utterance for waiting, _ in self._waiting):
            return []
        if self.config.transcript_ends_speech:
            self._take(self._speech.stop())
            return []
        pause = SpeechPiece(spoken, spoken.end, spoken.end, NO_AUDIO, pause=True)
        return [self._release(utterance, pause)]

    def _resolve_orphans(self, force: bool = False) -> list[UtterancePart]:
        """Find a home for words that came without speech: they are early, or all there is."""
        orphans, self._orphans = self._orphans, []
        parts = []
        for words in orphans:
            revised = self._assign(words)  # the audio of their time may be here by now
            if revised is not None:
                parts += revised
                continue
            home = next((u for u in self._known if not u.released and words.start is None and
                         words.stamp < u.spoken.start <= words.stamp + self.config.stall_s), None)
            if home is not None:
                home.words.append(words.text)
                home.voice_id = words.speaker or home.voice_id
                home.has_text = True
            elif not force and self._microphone.may_begin:
                self._orphans.append(words)
            elif not force and self._microphone.absent:
                parts.append(self._text_only(words))
            elif not force and words.stamp > self._reached() + MAX_AHEAD_S:
                self._event('transcript_ahead', words.stamp,
                            f'transcript: {words.stamp - self._reached():.0f} s ahead of the '
                            'audio, as of another clock; the words were left out')
            elif force or self._reached() - words.stamp > self.config.stall_s:
                self._leave_out(words.stamp)
            else:
                self._orphans.append(words)
        return parts

    def _leave_out(self, stamp: float) -> None:
        # Never the words themselves: an event goes to logs, which publish_transcript does not rule
        self._event('transcript_without_speech', stamp,
                    'transcript: words came without speech within '
                    f'{self.config.transcript_late_s:.1f} s; they were left out. Recognisers '
                    'invent words in silence; if they were real, raise transcript_late_s')

    def _text_only(self, words: Transcript) -> UtterancePart:
        """Make an utterance of words alone, for robots without a microphone."""
        start = words.stamp - speaking_time(words.text) if words.start is None else words.start
        start = max(start, self._last_faces_only)
        start = min(start, words.stamp)
        spoken = SpokenUtterance(f't{round(words.stamp * 1000)}', start, words.stamp,
                                 ongoing=False)
        self._last_faces_only = max(self._last_faces_only, words.stamp)
        utterance = self._new(spoken, [words.text], has_text=True)
        return self._release(
            utterance, SpeechPiece(spoken, start, words.stamp, NO_AUDIO, last=True))

    def _faces_only(self, stamp: float, at_least_s: float) -> None:
        """Without a microphone, close an utterance of `at_least_s` if a face was seen."""
        if stamp - self._last_faces_only < at_least_s:
            return
        start = max(self._last_faces_only, stamp - self.config.face_only_s)
        self._last_faces_only = stamp
        if self._images.any_within(start, stamp):
            spoken = SpokenUtterance(f'u{round(start * 1000)}', start, stamp, ongoing=False)
            utterance = self._new(spoken, has_text=True)  # no words to wait for
            self._waiting.append(
                (utterance, SpeechPiece(spoken, start, stamp, NO_AUDIO, last=True)))
