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
from mmer_ros.sensing.audio_front_end import AudioFrontEnd
from mmer_ros.sensing.speech_segmenter import (
    NO_AUDIO,
    SpeechConfig,
    SpeechPiece,
    SpeechSegmenter,
    SpokenUtterance,
)
from mmer_ros.sensing.transcript_alignment import align, Span, speaking_time
from mmer_ros.types import AudioBlock, FaceCrop, Int16, StreamEvent, Transcript, UtterancePart
from pydantic import BaseModel, ConfigDict, Field


class SegmenterConfig(BaseModel):
    """Settings of the utterance segmentation."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    speech: SpeechConfig = SpeechConfig()
    speaker: SpeakerConfig = SpeakerConfig()
    face_wait_s: float = Field(0.3, ge=0, le=5, description=(
        'An utterance waits this many seconds for images that lag behind the audio.'))
    transcript_wait_s: float = Field(0.25, ge=0, le=10, description=(
        'After the end of speech an utterance waits this many seconds for its words. Raise it '
        'for a slow speech recogniser if you prefer one late estimate to an early one and its '
        'revision.'))
    transcript_late_s: float = Field(3.0, ge=0, le=60, description=(
        'Words that come up to this many seconds after the end of speech revise the estimate.'))
    stall_s: float = Field(1.0, ge=0.2, le=60, description=(
        'An input counts as absent after this many seconds of silence.'))
    face_only_s: float = Field(3.0, ge=0.5, le=60, description=(
        'Without a microphone, each utterance made from faces alone lasts this many seconds.'))


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
    speed and the sizes of the messages. Things a person should know collect in `events`.

    :param probability: as in speech.SpeechSegmenter.
    """

    def __init__(self, config: SegmenterConfig, probability: Callable[[Int16], float]) -> None:
        """Start with nothing received."""
        self.config = config
        self.events: list[StreamEvent] = []
        self._dialogue = 0
        self._front_end = AudioFrontEnd()
        self._active = ActiveSpeaker(config.speaker)
        self._speech = SpeechSegmenter(config.speech, probability, self._active.hear)
        self._spoken_until = 0.0  # end of the speech before
        self._now = 0.0
        self._image_clock: float | None = None
        self._faces: deque[FaceCrop] = deque()
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
        """Id of the face that speaks; '' if nobody does or it is not known."""
        return next((u.faces.choice.face_id for u in self._known if u.spoken.ongoing), '')

    def begin_dialogue(self) -> None:
        """Let all parts from now on be of another dialogue, as after a jump of time."""
        self._dialogue += 1

    def push_audio(self, block: AudioBlock) -> list[UtterancePart]:
        """
        Take a block of audio.

        :raises InvalidInput: if the samples cannot be used; nothing received before is lost.
        """
        try:
            runs = self._front_end.push(block)
        finally:
            self.events += self._front_end.events
            self._front_end.events = []
        for run in runs:
            self._take(self._speech.push(run))
        return self._reach(self._front_end.clock or block.stamp)

    def push_faces(self, stamp: float, crops: list[FaceCrop]) -> list[UtterancePart]:
        """
        Take the faces of an image; call it for images without a face, too.

        :param stamp: capture time of the image, seconds.
        """
        if self._image_clock is not None and stamp < self._image_clock:
            self._event('image_backwards', stamp,
                        f'image: stamped {self._image_clock - stamp:.3f} s before the one ahead '
                        'of it; check the clock of the camera')
            if self._image_clock - stamp <= self.config.stall_s:
                return []
            self._faces.clear()
            self._last_faces_only = stamp
        self._image_clock = stamp
        self._faces.extend(crops)
        self._active.see(crops)
        if self._audio_absent(max(self._now, stamp)):
            self._faces_only(stamp)
        else:
            self._last_faces_only = stamp
        return self._reach(stamp)

    def push_transcript(self, transcript: Transcript) -> list[UtterancePart]:
        """Take words; empty ones are left out."""
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
        revised = self._assign(transcript)
        if revised is None:
            self._orphans.append(transcript)
        return (revised or []) + self.advance(self._now or transcript.stamp)

    def advance(self, now: float) -> list[UtterancePart]:
        """
        Tell that the capture time `now` (seconds) has been reached; return what is complete.

        Needed only where no input may come any more, to end a stalled utterance.
        """
        self._now = max(self._now, now)
        if self.speaking and self._audio_absent(self._now):
            self._event('audio_stalled', self._now,
                        f'audio: nothing for {self.config.stall_s:.1f} s in mid-speech; the '
                        'utterance was closed; check the microphone')
            self._take(self._speech.close())
            self._speech.reset(self._speech.end)
        parts = []
        while self._waiting and self._ready(*self._waiting[0]):
            parts.append(self._release(*self._waiting.popleft()))
        self._forget()
        return parts + self._resolve_orphans()

    def rewind(self, now: float) -> list[UtterancePart]:
        """Tell that time went back to `now`, unless the stamps have told it; return what ends."""
        return self._reach(now) if now < self._now - self.config.stall_s else []

    def _reach(self, stamp: float) -> list[UtterancePart]:
        """Advance to the stamp of an input; if time jumped back, close what is from before."""
        if stamp >= self._now - self.config.stall_s:
            return self.advance(stamp)
        if self._speech.end > stamp + self.config.stall_s:
            self._take(self._speech.close())
            self._speech.reset(stamp)
        parts = self._release_all() + self._resolve_orphans(force=True)
        self._known.clear()
        self._active.reset()
        self._now = stamp
        self.begin_dialogue()
        return parts

    def flush(self) -> list[UtterancePart]:
        """End all streams and return what is left, the open utterance closed."""
        heard = not self._audio_absent(self._now)
        for run in self._front_end.flush():
            self._take(self._speech.push(run))
        self._take(self._speech.close())
        self._speech.reset(self._speech.end)
        parts = self._release_all() + self._resolve_orphans(force=heard)
        self._image_clock = None
        self._known.clear()
        return parts

    def _event(self, kind: str, stamp: float, text: str) -> None:
        self.events.append(StreamEvent(kind, stamp, text))

    def _audio_absent(self, now: float) -> bool:
        clock = self._front_end.clock
        return clock is None or now - clock > self.config.stall_s

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
        """Tell whether the images and words of the piece have come, or never will."""
        if self._image_clock is not None and self._image_clock < piece.end:
            if self._now - self._image_clock <= self.config.face_wait_s:
                return False
        if piece.last and not piece.cut and not utterance.has_text:
            return self._now >= piece.end + self.config.transcript_wait_s
        return True

    def _release(self, utterance: _Utterance, piece: SpeechPiece) -> UtterancePart:
        """Turn a piece of speech into a part, with the faces and words that go with it."""
        crops: list[FaceCrop] = []
        while self._faces and self._faces[0].stamp < piece.end:
            crop = self._faces.popleft()
            if crop.stamp >= utterance.spoken.start:
                crops.append(crop)
        heard = utterance.heard = utterance.heard or piece.audio.size > 0
        faces = utterance.faces.take(crops, piece.end, self._active, last=piece.last, heard=heard)
        choice = utterance.faces.choice
        part = UtterancePart(
            utterance_id=utterance.spoken.utterance_id, index=utterance.parts,
            utterance_start=utterance.spoken.start, start=piece.start, end=piece.end,
            audio=piece.audio, text=' '.join(utterance.words),
            faces=faces, face_id=choice.face_id, voice_id=utterance.voice_id, last=piece.last,
            cut=piece.cut, revision=utterance.revision, speaker_by=choice.by,
            speaker_margin=choice.margin, dialogue=self._dialogue)
        utterance.words = []
        utterance.parts += 1
        utterance.released |= piece.last
        return part

    def _release_all(self) -> list[UtterancePart]:
        parts = [self._release(*waiting) for waiting in self._waiting]
        self._waiting.clear()
        self._faces.clear()
        return parts

    def _forget(self) -> None:
        """Let go of faces and utterances that nothing can need any more."""
        late = self.config.transcript_late_s
        for utterance in self._known:
            if utterance.spoken.dropped and utterance.words:
                self._leave_out(utterance.spoken.end, ' '.join(utterance.words))
        self._known = [u for u in self._known if not u.spoken.dropped and (
            not u.released or self._now - u.spoken.end <= late)]
        horizon = self._now - self.config.face_only_s
        for utterance in self._known:
            if not utterance.released:
                horizon = min(horizon, utterance.spoken.start)
        while self._faces and self._faces[0].stamp < horizon:
            self._faces.popleft()

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
            return []
        utterance.revision += 1
        end = utterance.spoken.end
        return [self._release(utterance, SpeechPiece(utterance.spoken, end, end, NO_AUDIO, True))]

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
            elif not force and self._audio_absent(self._now):
                parts.append(self._text_only(words))
            elif force or self._now - words.stamp > self.config.stall_s:
                self._leave_out(words.stamp, words.text)
            else:
                self._orphans.append(words)
        return parts

    def _leave_out(self, stamp: float, text: str) -> None:
        self._event('transcript_without_speech', stamp,
                    f'transcript: {text[:40]!r} came although nobody spoke within '
                    f'{self.config.transcript_late_s:.1f} s; it was left out. Recognisers '
                    'invent words in silence; if it was real, raise transcript_late_s')

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

    def _faces_only(self, stamp: float) -> None:
        """Without a microphone, close an utterance each `face_only_s` if a face was seen."""
        if stamp - self._last_faces_only < self.config.face_only_s:
            return
        start = max(self._last_faces_only, stamp - self.config.face_only_s)
        self._last_faces_only = stamp
        if any(start <= crop.stamp < stamp for crop in self._faces):
            spoken = SpokenUtterance(f'u{round(start * 1000)}', start, stamp, ongoing=False)
            utterance = self._new(spoken, has_text=True)  # no words to wait for
            self._waiting.append(
                (utterance, SpeechPiece(spoken, start, stamp, NO_AUDIO, last=True)))
