"""The recogniser: a bundle that turns utterances, whole or part by part, into estimates."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
import logging
from pathlib import Path
from typing import Any

from mmer_ros.audio_encoder import AudioState
from mmer_ros.batching import as_float, batch_features
from mmer_ros.bundle import Bundle, DEFAULT_BUNDLE
from mmer_ros.face_encoder import FaceState, sample_evenly
from mmer_ros.model import available, FusionOutput
from mmer_ros.priors import correction, read_prior
from mmer_ros.stages import AUDIO, FACE, FUSION, Stages, TEXT, UNMEASURED
from mmer_ros.text_encoder import DialogueTokenizer, TextState
from mmer_ros.types import (
    Estimate,
    InvalidInput,
    MODALITIES,
    Modality,
    StreamEvent,
    subset_name,
    Turn,
    Utterance,
    UtterancePart,
)
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

LOGGER = logging.getLogger('mmer_ros')
UNTRAINED = ('UNTRAINED WEIGHTS: bundle {name} was never trained; '
             'its estimates are noise and mean nothing')
NO_PRIOR = ('bundle {name}: it does not say under which class shares it was calibrated; its '
            'answers are not corrected for the prior')
REVISABLE = 4  # finished utterances that are kept for late words

_told: set[str] = set()  # hashes of the bundles whose notice was told


@dataclass
class _Encoding:
    """The encoders' states of one utterance."""

    text: TextState
    audio: AudioState
    face: FaceState


@dataclass
class _Session:
    """An utterance on its way through a RecognitionStream."""

    recognizer: Recognizer  # that began it
    encoding: _Encoding
    history: list[Turn]
    next_index: int = 0
    partials: int = 0  # periods of the partial estimates that are over
    evidence: float = 0.0  # capture time of the last audio or image, seconds
    face_id: str = ''  # whose crops the face encoder has seen
    turn: tuple[float, Turn] | None = field(default=None)


class Recognizer:
    """
    Estimate emotions with a bundle. The whole API for a client is `load` and `recognize`.

    :param device: e.g. 'cpu', 'cuda', 'cuda:1'.
    :param prior: how common the emotions are where it is used: 'flat', 'meld', or seven numbers in
        label order; '' answers as the bundle was calibrated, which differs between subsets of
        the modalities. See mmer_ros.priors.
    :raises InvalidInput: if the device does not exist, or the prior is none.
    """

    def __init__(self, bundle: Bundle, device: str = 'cpu', prior: str = '') -> None:
        """Move the bundle to the device."""
        shares = read_prior(prior)
        self.device = check_device(device)
        self.bundle = bundle
        self.config = bundle.config
        self.model = bundle.model.to(self.device).eval()
        self._tokenizer = DialogueTokenizer(bundle.tokenizer)
        self._trust = torch.tensor(self.config.trust, device=self.device)
        self._corrections = {} if shares is None else {
            subset: correction(shares, trained) for subset, trained in self.config.priors.items()}
        if not self.config.trained:
            LOGGER.warning(UNTRAINED.format(name=self.config.name))
        elif shares is not None and not self.config.priors:
            LOGGER.warning(NO_PRIOR.format(name=self.config.name))
        _tell_notice(bundle)

    @classmethod
    def load(cls, name_or_path: str | Path = DEFAULT_BUNDLE, *, device: str = 'cpu',
             expected_hash: str = '', prior: str = '') -> Recognizer:
        """
        Load a bundle by name or path.

        :param prior: as of the class.
        :raises BundleError: if it cannot be used.
        :raises InvalidInput: if the device does not exist, or the prior is none.
        """
        check_device(device)
        read_prior(prior)
        return cls(Bundle.load(name_or_path, expected_hash), device, prior)

    @torch.inference_mode()
    def recognize(self, utterance: Utterance) -> Estimate:
        """
        Estimate the emotion of a whole utterance.

        :raises InvalidInput: if it has no modality at all.
        """
        encoding = self._start()
        faces = utterance.faces
        if faces is not None and len(faces):
            faces = np.stack(sample_evenly(list(faces), self.model.config.face.max_images))
        self._stream(encoding, utterance.text, utterance.audio, faces)
        return self._estimate(encoding, utterance.speaker, utterance.history, utterance.reply)

    @torch.inference_mode()
    def recognize_batch(self, utterances: Sequence[Utterance]) -> list[Estimate]:
        """
        Estimate the emotions of several utterances in one go, padded and masked.

        :raises InvalidInput: if one of them has no modality at all.
        """
        if not utterances:
            return []
        return self._fused(batch_features(self.model, self._tokenizer, utterances, self.device))

    def stream(self, **options: Any) -> RecognitionStream:
        """Return a RecognitionStream with these options."""
        return RecognitionStream(self, **options)

    def warm_up(self) -> None:
        """Run the networks once, so that the first utterance is not slower than the others."""
        faces = np.zeros((1, 160, 160, 3), np.uint8)
        silent = np.zeros(16_000, np.int16)
        self.recognize(Utterance(text='hello', audio=silent, faces=faces))

    # ------------------------------------------------------------ one utterance, part by part

    def _start(self) -> _Encoding:
        model = self.model
        return _Encoding(model.text.start(), model.audio.start(), model.face.start())

    def _stream(self, encoding: _Encoding, text: str | None, audio: NDArray[np.generic] | None,
                faces: NDArray[np.uint8] | None, stages: Stages = UNMEASURED) -> None:
        if text:
            self.model.text.stream(encoding.text, text)
        if audio is not None and audio.size:
            with stages.measuring(AUDIO):
                self.model.audio.stream(encoding.audio, self._tensor(as_float(audio)))
        if faces is not None and len(faces):
            with stages.measuring(FACE):
                self.model.face.stream(encoding.face, self._tensor(faces))

    def _estimate(self, encoding: _Encoding, speaker: str, history: Sequence[Turn],
                  reply: Turn | None = None, stages: Stages = UNMEASURED) -> Estimate:
        model = self.model
        features: dict[Modality, Tensor | None] = {}
        with stages.measuring(TEXT):
            features[Modality.TEXT] = model.text.finish(
                encoding.text, self._tokenizer, speaker=speaker, history=history, reply=reply)
        with stages.measuring(AUDIO):
            features[Modality.AUDIO] = model.audio.finish(encoding.audio)
        with stages.measuring(FACE):
            features[Modality.FACE] = model.face.finish(encoding.face)
        batch = {m: (x[None], torch.ones(1, len(x), dtype=torch.bool, device=self.device))
                 for m, x in features.items() if x is not None}
        with stages.measuring(FUSION):
            return self._fused(batch)[0]

    # ------------------------------------------------------------ fusion

    def _fused(self, features: dict[Modality, tuple[Tensor, Tensor]]) -> list[Estimate]:
        try:
            output = self.model.fuse(features, self._trust)
        except ValueError as error:
            raise InvalidInput('utterance: it has no text, no audio and no face; give at least '
                               'one of them') from error
        there = available(features).cpu().numpy()
        return [self._to_estimate(output, row, there[row]) for row in range(len(there))]

    def _to_estimate(self, output: FusionOutput, row: int, there: NDArray[np.bool_]) -> Estimate:
        modalities = Modality(0)
        for modality, here in zip(MODALITIES, there):
            modalities |= modality if here else Modality(0)
        subset = subset_name(modalities)
        temperature = self.config.temperatures.get(subset, 1.0)
        logits = output.logits[row].float().cpu()
        scaled = logits / temperature
        if subset in self._corrections:
            scaled = scaled + torch.from_numpy(self._corrections[subset])
        probabilities = torch.softmax(scaled, dim=0).numpy()
        valence, arousal = probabilities @ np.array(self.config.circumplex, np.float32)
        text, audio, face = (float(w) for w in output.weights[row])
        return Estimate(
            probabilities=probabilities, logits=logits.numpy(), modalities=modalities,
            modality_weights=(text, audio, face), valence=float(valence), arousal=float(arousal),
            calibrated=self.config.calibrated and subset in self.config.temperatures,
            trained=self.config.trained, bundle_name=self.config.name,
            bundle_hash=self.bundle.content_hash)

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


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
        self._stages = stages
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._turns: list[tuple[float, Turn]] = []

    @torch.inference_mode()
    def push(self, part: UtterancePart) -> Estimate | None:
        """
        Take the next part; return the final estimate if it is the last one.

        :return: before the last part the estimate so far where one is due, else None; None as
            well if the utterance has nothing to estimate from.
        """
        session = self._session(part)
        if part.index != session.next_index:
            self.events.append(StreamEvent(
                'part_lost', part.end,
                f'utterance {part.utterance_id}: part {part.index} came where '
                f'{session.next_index} was expected; the estimate lacks what was lost'))
        session.next_index = part.index + 1
        if part.face_id != session.face_id:  # another face speaks; the part has all its crops
            session.encoding.face = session.recognizer.model.face.start()
            session.face_id = part.face_id
        faces = np.stack([c.image for c in part.faces]) if part.faces else None
        session.recognizer._stream(session.encoding, part.text, part.audio, faces, self._stages)
        heard = [part.end] if part.audio.size else []
        session.evidence = max([session.evidence, *heard, *(c.stamp for c in part.faces)])
        if not part.last:
            return self.partial(part) if self._is_due(part, session) else None
        estimate = self._estimate(part, session, final=True)
        self._remember(part, session)
        return estimate

    @torch.inference_mode()
    def partial(self, part: UtterancePart) -> Estimate | None:
        """Return the estimate so far of the utterance whose latest part this is."""
        session = self._sessions.get(part.utterance_id)
        return None if session is None else self._estimate(part, session, final=False)

    def reset_history(self) -> None:
        """Forget the dialogue: what is said next begins a new one."""
        self._turns.clear()

    def _session(self, part: UtterancePart) -> _Session:
        session = self._sessions.get(part.utterance_id)
        if session is None or part.index == 0:  # ids come again when a recording is looped
            now = part.utterance_start
            self._turns = [t for t in self._turns if abs(now - t[0]) <= self.history_s]
            session = _Session(self.recognizer, self.recognizer._start(),
                               [turn for _, turn in self._turns])
            self._sessions[part.utterance_id] = session
            self._sessions.move_to_end(part.utterance_id)
            while len(self._sessions) > REVISABLE:
                self._sessions.popitem(last=False)
        return session

    def _is_due(self, part: UtterancePart, session: _Session) -> bool:
        """Tell whether another period of the partial estimates ended with this part."""
        spoken = part.end - part.utterance_start
        periods = int(spoken * self.partial_rate + 1e-6)  # stamps are rounded
        due, session.partials = periods > session.partials, periods
        return due

    def _estimate(self, part: UtterancePart, session: _Session, *, final: bool
                  ) -> Estimate | None:
        try:
            estimate = session.recognizer._estimate(
                session.encoding, _speaker(part), session.history, stages=self._stages)
        except InvalidInput:
            if final:
                self.events.append(StreamEvent(
                    'nothing_to_estimate', part.end,
                    f'utterance {part.utterance_id}: no text, no audio and no face was received'))
            return None
        return replace(
            estimate, utterance_id=part.utterance_id, start=part.utterance_start, end=part.end,
            stamp=session.evidence or part.end, final=final, revision=part.revision,
            person_id=part.person_id, face_id=part.face_id, voice_id=part.voice_id,
            speaker_by=part.speaker_by, speaker_margin=part.speaker_margin,
            transcript=session.encoding.text.text)

    def _remember(self, part: UtterancePart, session: _Session) -> None:
        text = session.encoding.text.text
        if session.turn in self._turns:
            self._turns.remove(session.turn)
        if text:
            session.turn = (part.end, Turn(_speaker(part), text))
            self._turns.append(session.turn)
            self._turns.sort(key=lambda turn: turn[0])


def _tell_notice(bundle: Bundle) -> None:
    """Tell of the bundle's licences, once in a process."""
    if bundle.config.notice and bundle.content_hash not in _told:
        _told.add(bundle.content_hash)
        LOGGER.warning('bundle %s: %s', bundle.config.name, bundle.config.notice)


def _speaker(part: UtterancePart) -> str:
    return part.person_id or part.voice_id or part.face_id


def check_device(device: str) -> torch.device:
    """
    Return the device.

    :raises InvalidInput: if it does not exist here.
    """
    try:
        found = torch.device(device)
        torch.zeros(1, device=found).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        have = ['cpu', *(f'cuda:{i}' for i in range(torch.cuda.device_count()))]
        raise InvalidInput(f'device {device!r}: it cannot be used here; there is '
                           f'{", ".join(have)}') from error
    return found
