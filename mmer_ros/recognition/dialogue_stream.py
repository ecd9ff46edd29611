# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Recognition part by part: the open utterances, and the dialogue that they belong to."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from mmer_ros.networks.backbones import DialogueContext
from mmer_ros.profiling import Stages, UNMEASURED
from mmer_ros.recognition.recognizer import NOT_FINITE, Recognizer
from mmer_ros.recognition.streaming_encoders import (
    EncoderStates,
    evidence_of,
    has_evidence,
    Increment,
)
from mmer_ros.recognition.voice_baseline import VoiceBaselines
from mmer_ros.types import Estimate, Modality, name_of, StreamEvent, Turn, UtterancePart
import numpy as np
from numpy.typing import NDArray

ROBOT = 'robot'  # speaker of what the robot says itself
MAX_TURNS = 1000  # of the history, where only the robot speaks
REVISABLE = 4  # finished utterances that are kept for late words


@dataclass
class OpenUtterance:
    """
    An utterance on its way through a DialogueStream.

    :param recognizer: began it, and finishes it.
    :param history: of the dialogue when it began.
    :param words: so far.
    :param partials: number of partial-estimate periods elapsed.
    :param provisional: its latest estimate was provisional; the next one confirms or withdraws it.
    :param evidence: capture time of the last audio or image, seconds.
    :param face_id: whose crops the face encoder has received.
    :param turn: its entry in the dialogue, once it is over, and when it ended.
    :param voice_offset: what was subtracted from the logits of its voice when it was over.
    """

    recognizer: Recognizer
    states: EncoderStates
    history: list[Turn]
    words: list[str] = field(default_factory=list)
    next_index: int = 0
    partials: int = 0
    provisional: bool = False
    evidence: float = 0.0
    face_id: str = ''
    turn: tuple[float, Turn] | None = None
    voice_offset: NDArray[np.float64] | None = None

    @property
    def text(self) -> str:
        """The words so far as one string."""
        return ' '.join(self.words)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to estimate from."""
        return not has_evidence(self.states)


@dataclass(frozen=True)
class AcceptedPart:
    """A part that belongs to an open utterance of a stream."""

    stream: DialogueStream
    part: UtterancePart
    utterance: OpenUtterance


class DialogueStream:
    """
    Turn the parts of utterances into estimates, and keep the dialogue's history.

    Warnings about the parts collect in `events`. `recognizer` and `partial_rate` may be set at
    any time; an utterance is finished by the recogniser that began it.

    :param history_s: turns older than this are forgotten, seconds.
    :param partial_rate: estimates while an utterance goes on, Hz of capture time; 0: none before
        the final one, provisional ones included.
    """

    def __init__(self, recognizer: Recognizer, history_s: float = 120.0, *,
                 partial_rate: float = 0.0, stages: Stages = UNMEASURED) -> None:
        self.events: list[StreamEvent] = []
        self.history_s = history_s
        self.recognizer = recognizer
        self.partial_rate = partial_rate
        self.stages = stages
        self._utterances: OrderedDict[str, OpenUtterance] = OrderedDict()
        self._turns: list[tuple[float, Turn]] = []
        self._dialogue: int | None = None
        self._voices: dict[str, VoiceBaselines] = {}  # by hash of the bundle

    def push(self, part: UtterancePart) -> Estimate | None:
        """
        Process the next part.

        :return: with the last part the final estimate, before it a partial one where one is due;
            None otherwise, and if the utterance has nothing to estimate from.
        """
        return push_together([(self, part)])[0]

    def partial(self, part: UtterancePart) -> Estimate | None:
        """Return the estimate so far of the utterance whose latest part this is."""
        utterance = self._utterances.get(part.utterance_id)
        if utterance is None or utterance.empty:
            return None
        return _finish([AcceptedPart(self, replace(part, last=False), utterance)])[0]

    def add_own_turn(self, stamp: float, text: str) -> None:
        """
        Enter what the robot says into the dialogue, for the utterances that begin after it.

        :param stamp: capture time, seconds.
        """
        if text:
            self._turns = [t for t in self._turns if abs(stamp - t[0]) <= self.history_s]
            self._turns = [*self._turns, (stamp, Turn(ROBOT, text))][-MAX_TURNS:]
            self._turns.sort(key=lambda turn: turn[0])

    def reset_history(self) -> None:
        """Forget the dialogue and its voices: the next utterance begins a new one."""
        self._turns.clear()
        self._voices.clear()

    def accept(self, part: UtterancePart) -> AcceptedPart | None:
        """
        Find the utterance of a part.

        :return: None, and an event, if the part came before, or brings words to an utterance that
            is no longer kept: its estimate would rest on these words alone.
        """
        if part.dialogue != self._dialogue:
            if self._dialogue is not None:
                self.reset_history()
            self._dialogue = part.dialogue
        if part.revision and part.utterance_id not in self._utterances:
            self.events.append(StreamEvent(
                'transcript_late', part.end, f'utterance {part.utterance_id}: words came after '
                f'{REVISABLE} later utterances; its estimate stays as it was. Use a speech '
                'recogniser that is faster, or lower segmenter.transcript_late_s'))
            return None
        utterance = self._open(part)
        if part.index < utterance.next_index:
            self.events.append(StreamEvent(
                'part_repeated', part.end, f'utterance {part.utterance_id}: part {part.index} '
                f'came after part {utterance.next_index - 1}; it was left out'))
            return None
        if part.index > utterance.next_index:
            self.events.append(StreamEvent(
                'part_lost', part.end,
                f'utterance {part.utterance_id}: part {part.index} came where '
                f'{utterance.next_index} was expected; the estimate lacks what was lost'))
        utterance.next_index = part.index + 1
        if part.text:
            utterance.words.append(part.text)
        if part.face_id != utterance.face_id:  # another face speaks; the part has all its crops
            utterance.recognizer.encoders.restart(utterance.states, Modality.FACE)
            utterance.face_id = part.face_id
        return AcceptedPart(self, part, utterance)

    def is_due(self, part: UtterancePart, utterance: OpenUtterance) -> bool:
        """
        Return whether to estimate, now that the encoders have the part.

        That is with the last part, where a partial-estimate period has elapsed, where speech
        pauses, and where it resumes, which withdraws the provisional estimate.
        """
        stamps = [part.end] if part.audio.size else []
        utterance.evidence = max(
            [utterance.evidence, *stamps, *(crop.stamp for crop in part.faces)])
        if not part.last:
            spoken = part.end - part.utterance_start
            periods = int(spoken * self.partial_rate + 1e-5)  # stamps are rounded
            due, utterance.partials = periods > utterance.partials, periods
            if self.partial_rate > 0:
                due |= part.pause or utterance.provisional
            utterance.provisional = part.pause
            return due and not utterance.empty
        if utterance.empty:
            self.events.append(StreamEvent(
                'nothing_to_estimate', part.end,
                f'utterance {part.utterance_id}: no text, no audio and no face was received'))
        self._remember(part, utterance)
        return not utterance.empty

    def voice_offset(self, one: AcceptedPart, logits: NDArray[np.float64]
                     ) -> NDArray[np.float64]:
        """
        Return what is subtracted from the logits of an utterance's voice, (7,).

        The last part adds them to the baseline of the speaker, once.
        """
        if one.utterance.voice_offset is not None:  # late words do not change the voice
            return one.utterance.voice_offset
        baselines = self._voices.setdefault(
            one.utterance.recognizer.bundle.content_hash, VoiceBaselines())
        speaker = _speaker(one.part)
        if not one.part.last:
            return baselines.offset(speaker)
        baselines.add(speaker, logits)
        one.utterance.voice_offset = baselines.offset(speaker)
        return one.utterance.voice_offset

    def _open(self, part: UtterancePart) -> OpenUtterance:
        """Return the utterance of a part; a new one for the first part."""
        utterance = self._utterances.get(part.utterance_id)
        if utterance is None or part.index == 0:  # ids come again when a recording is looped
            now = part.utterance_start
            self._turns = [t for t in self._turns if abs(now - t[0]) <= self.history_s]
            utterance = OpenUtterance(self.recognizer, self.recognizer.encoders.start(),
                                      [turn for _, turn in self._turns])
            self._utterances[part.utterance_id] = utterance
            self._utterances.move_to_end(part.utterance_id)
            while len(self._utterances) > REVISABLE:
                self._utterances.popitem(last=False)
        return utterance

    def _remember(self, part: UtterancePart, utterance: OpenUtterance) -> None:
        """Enter the finished utterance into the dialogue, in the place of its earlier entry."""
        if utterance.turn in self._turns:
            self._turns.remove(utterance.turn)
        if utterance.words:
            utterance.turn = (part.end, Turn(_speaker(part), utterance.text))
            self._turns.append(utterance.turn)
            self._turns.sort(key=lambda turn: turn[0])


def push_together(parts: Sequence[tuple[DialogueStream, UtterancePart]]
                  ) -> list[Estimate | None]:
    """
    Process parts of different utterances, each in its stream, as batches.

    A single part gives what it always gives, to the bit; several are padded into one batch,
    which costs less and rounds differently.

    :return: for each part what `push` would return.
    """
    accepted = [stream.accept(part) for stream, part in parts]
    for together in _by_recognizer([one for one in accepted if one is not None]):
        together[0].utterance.recognizer.encoders.stream(
            [Increment(one.utterance.states, evidence_of(one.part)) for one in together],
            together[0].stream.stages)
    due = [one for one in accepted
           if one is not None and one.stream.is_due(one.part, one.utterance)]
    found = {id(one): estimate for together in _by_recognizer(due)
             for one, estimate in zip(together, _finish(together))}
    return [found.get(id(one)) for one in accepted]


def _by_recognizer(accepted: Sequence[AcceptedPart]) -> list[list[AcceptedPart]]:
    """Group parts by recogniser; the bundle may have changed between utterances."""
    groups: dict[int, list[AcceptedPart]] = {}
    for one in accepted:
        groups.setdefault(id(one.utterance.recognizer), []).append(one)
    return list(groups.values())


def _finish(together: Sequence[AcceptedPart]) -> list[Estimate | None]:
    """Return the estimates of parts of one recogniser; None, and an event, if not finite."""
    estimates = together[0].utterance.recognizer.finish(
        [one.utterance.states for one in together],
        [DialogueContext(_speaker(one.part), one.utterance.history) for one in together],
        together[0].stream.stages,
        [partial(one.stream.voice_offset, one) for one in together])
    for estimate, one in zip(estimates, together):
        if not estimate.finite:
            one.stream.events.append(StreamEvent('not_finite', one.part.end, NOT_FINITE.format(
                bundle=estimate.bundle_name, modalities=estimate.modalities.title)))
    return [_described(estimate, one) if estimate.finite else None
            for estimate, one in zip(estimates, together)]


def _described(estimate: Estimate, one: AcceptedPart) -> Estimate:
    """Return the estimate with the identity and the times of its utterance."""
    part, utterance = one.part, one.utterance
    return replace(
        estimate, utterance_id=part.utterance_id, start=part.utterance_start, end=part.end,
        stamp=utterance.evidence or part.end, final=part.last,
        provisional=part.pause and not part.last, revision=part.revision,
        person_id=part.person_id, face_id=part.face_id, voice_id=part.voice_id,
        speaker_by=part.speaker_by, speaker_margin=part.speaker_margin,
        transcript=utterance.text)


def _speaker(part: UtterancePart) -> str:
    return name_of(part.person_id, part.voice_id, part.face_id)
