"""Recognition part by part: the states of open utterances, and the dialogue that they are in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mmer_ros.profiling import Stages, UNMEASURED
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recognition.streaming_encoders import Context, Encoding, Evidence
from mmer_ros.types import Estimate, StreamEvent, Turn, UtterancePart
import numpy as np
import torch

REVISABLE = 4  # finished utterances that are kept for late words


@dataclass
class Session:
    """An utterance on its way through a RecognitionStream."""

    recognizer: Recognizer  # that began it
    encoding: Encoding
    history: list[Turn]
    next_index: int = 0
    partials: int = 0  # periods of the partial estimates that are over
    evidence: float = 0.0  # capture time of the last audio or image, seconds
    face_id: str = ''  # whose crops the face encoder has seen
    turn: tuple[float, Turn] | None = field(default=None)


@dataclass(frozen=True)
class Taken:
    """A part that a stream has taken, for which an estimate may be due."""

    stream: RecognitionStream
    part: UtterancePart
    session: Session


class RecognitionStream:
    """
    Take parts of utterances as they come, give an estimate when one is complete.

    Keeps the dialogue's history for the text encoder. What a person should know of the parts
    collects in `events`. `recognizer` and `partial_rate` may be set at any time; an utterance is
    finished by the recogniser that began it.

    :param history_s: turns older than this are forgotten, seconds.
    :param partial_rate: estimates so far while an utterance goes on, Hz of capture time; 0: none.
    """

    def __init__(self, recognizer: Recognizer, history_s: float = 120.0, *,
                 partial_rate: float = 0.0, stages: Stages = UNMEASURED) -> None:
        """Start with an empty dialogue."""
        self.events: list[StreamEvent] = []
        self.history_s = history_s
        self.recognizer = recognizer
        self.partial_rate = partial_rate
        self.stages = stages
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._turns: list[tuple[float, Turn]] = []
        self._dialogue: int | None = None

    def push(self, part: UtterancePart) -> Estimate | None:
        """
        Take the next part; return the final estimate if it is the last one.

        :return: before the last part the estimate so far where one is due, else None; None as
            well if the utterance has nothing to estimate from.
        """
        return push_together([(self, part)])[0]

    @torch.inference_mode()
    def partial(self, part: UtterancePart) -> Estimate | None:
        """Return the estimate so far of the utterance whose latest part this is."""
        session = self._sessions.get(part.utterance_id)
        if session is None or session.encoding.empty:
            return None
        return _finish([Taken(self, replace(part, last=False), session)])[0]

    def reset_history(self) -> None:
        """Forget the dialogue: what is said next begins a new one."""
        self._turns.clear()

    def take(self, part: UtterancePart) -> Taken | None:
        """Find the utterance of a part; None, and an event, if the part came before."""
        if part.dialogue != self._dialogue:
            if self._dialogue is not None:
                self.reset_history()
            self._dialogue = part.dialogue
        session = self._session(part)
        if part.index < session.next_index:
            self.events.append(StreamEvent(
                'part_repeated', part.end, f'utterance {part.utterance_id}: part {part.index} '
                f'came after part {session.next_index - 1}; it was left out'))
            return None
        if part.index > session.next_index:
            self.events.append(StreamEvent(
                'part_lost', part.end,
                f'utterance {part.utterance_id}: part {part.index} came where '
                f'{session.next_index} was expected; the estimate lacks what was lost'))
        session.next_index = part.index + 1
        if part.face_id != session.face_id:  # another face speaks; the part has all its crops
            session.encoding.face = session.recognizer.encoders.start_face()
            session.face_id = part.face_id
        return Taken(self, part, session)

    def is_due(self, part: UtterancePart, session: Session) -> bool:
        """
        Tell whether an estimate is to be made now that the encoders have the part.

        :return: with the last part, and where another period of the partial estimates ended.
        """
        heard = [part.end] if part.audio.size else []
        session.evidence = max([session.evidence, *heard, *(c.stamp for c in part.faces)])
        if not part.last:
            spoken = part.end - part.utterance_start
            periods = int(spoken * self.partial_rate + 1e-5)  # stamps are rounded
            due, session.partials = periods > session.partials, periods
            return due and not session.encoding.empty
        if session.encoding.empty:
            self.events.append(StreamEvent(
                'nothing_to_estimate', part.end,
                f'utterance {part.utterance_id}: no text, no audio and no face was received'))
        self._remember(part, session)
        return not session.encoding.empty

    def _session(self, part: UtterancePart) -> Session:
        session = self._sessions.get(part.utterance_id)
        if session is None or part.index == 0:  # ids come again when a recording is looped
            now = part.utterance_start
            self._turns = [t for t in self._turns if abs(now - t[0]) <= self.history_s]
            session = Session(self.recognizer, self.recognizer.encoders.start(),
                              [turn for _, turn in self._turns])
            self._sessions[part.utterance_id] = session
            self._sessions.move_to_end(part.utterance_id)
            while len(self._sessions) > REVISABLE:
                self._sessions.popitem(last=False)
        return session

    def _remember(self, part: UtterancePart, session: Session) -> None:
        text = session.encoding.text.text
        if session.turn in self._turns:
            self._turns.remove(session.turn)
        if text:
            session.turn = (part.end, Turn(_speaker(part), text))
            self._turns.append(session.turn)
            self._turns.sort(key=lambda turn: turn[0])


@torch.inference_mode()
def push_together(parts: Sequence[tuple[RecognitionStream, UtterancePart]]
                  ) -> list[Estimate | None]:
    """
    Take parts of different utterances, each into its stream, and work on them together.

    A single part gives what it always gives, to the bit; those of several are padded into one
    batch, which costs less and rounds otherwise.

    :return: for each part what `push` would return.
    """
    taken = [stream.take(part) for stream, part in parts]
    for together in _by_recognizer([one for one in taken if one is not None]):
        together[0].session.recognizer.encoders.stream(
            [_evidence(one) for one in together], together[0].stream.stages)
    due = [one for one in taken
           if one is not None and one.stream.is_due(one.part, one.session)]
    found = {id(one): estimate for together in _by_recognizer(due)
             for one, estimate in zip(together, _finish(together))}
    return [found.get(id(one)) for one in taken]


def _by_recognizer(taken: Sequence[Taken]) -> list[list[Taken]]:
    """Return those that the same recogniser works on; a bundle may have been changed."""
    groups: dict[int, list[Taken]] = {}
    for one in taken:
        groups.setdefault(id(one.session.recognizer), []).append(one)
    return list(groups.values())


def _evidence(one: Taken) -> Evidence:
    part = one.part
    faces = np.stack([crop.image for crop in part.faces]) if part.faces else None
    return Evidence(one.session.encoding, part.text, part.audio, faces)


def _finish(together: Sequence[Taken]) -> list[Estimate]:
    """Return the estimates of parts of one recogniser."""
    estimates = together[0].session.recognizer.finish(
        [Context(one.session.encoding, _speaker(one.part), one.session.history)
         for one in together], together[0].stream.stages)
    return [_described(estimate, one) for estimate, one in zip(estimates, together)]


def _described(estimate: Estimate, one: Taken) -> Estimate:
    """Return the estimate with whom and what it is of."""
    part, session = one.part, one.session
    return replace(
        estimate, utterance_id=part.utterance_id, start=part.utterance_start, end=part.end,
        stamp=session.evidence or part.end, final=part.last, revision=part.revision,
        person_id=part.person_id, face_id=part.face_id, voice_id=part.voice_id,
        speaker_by=part.speaker_by, speaker_margin=part.speaker_margin,
        transcript=session.encoding.text.text)


def _speaker(part: UtterancePart) -> str:
    return part.person_id or part.voice_id or part.face_id
