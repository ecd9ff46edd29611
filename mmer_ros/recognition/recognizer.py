# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The recogniser: a bundle in memory that turns utterances into estimates."""

from __future__ import annotations

from collections.abc import Sequence
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from mmer_ros.networks.backbones import DialogueContext, Encoded
from mmer_ros.networks.onnx_networks import Fused, Model
from mmer_ros.onnx_graphs import AUTO, choose_engine, INSTALL_TORCH, is_installed, ONNX
from mmer_ros.profiling import FUSION, Stages, UNMEASURED
from mmer_ros.recognition.bundle import Bundle, DEFAULT_BUNDLE
from mmer_ros.recognition.prior_correction import correction, read_prior, softmax
from mmer_ros.recognition.streaming_encoders import EncoderStates, StreamingEncoders
from mmer_ros.recognition.voice_baseline import VoiceOffset
from mmer_ros.recognition.voice_shift import VoiceShift
from mmer_ros.types import (
    Estimate,
    FACE_SIZE,
    InvalidInput,
    Modality,
    SAMPLE_RATE,
    Utterance,
)
import numpy as np
from typing_extensions import Self

if TYPE_CHECKING:
    from mmer_ros.networks.emotion_model import EmotionModel

LOGGER = logging.getLogger('mmer_ros')
UNTRAINED = ('UNTRAINED WEIGHTS: bundle {name} was never trained; '
             'its estimates are noise and mean nothing')
NO_PRIOR = ('bundle {name}: it does not state the class shares under which it was calibrated; '
            'its estimates are not corrected for the prior')

NOT_FINITE = ('bundle {bundle}: its networks give values that are not finite for {modalities}; '
              'the estimate is left out; use another bundle')

_noticed: set[str] = set()  # hashes of the bundles whose notice was logged


class Recognizer:
    """
    Estimates emotions with a bundle.

    >>> from mmer_ros import Recognizer, Utterance
    >>> estimate = Recognizer.load().recognize(Utterance(text='What a day!'))
    >>> estimate.label in mmer_ros.EMOTIONS
    True

    :param device: e.g. 'cpu', 'cuda', 'cuda:1'.
    :param engine: what runs the networks: 'onnx' (ONNX Runtime, on CPUs; the bundle needs
        graphs), 'torch', or 'auto': onnx where it can run, else torch. Their logits differ by
        less than 1e-4.
    :param prior: class shares where the robot is used: 'flat', 'talk', 'meld', or seven numbers
        in label order. '' keeps those under which the bundle was calibrated, which differ
        between subsets of the modalities. See mmer_ros.recognition.prior_correction.
    :param adapt_to_voices: where utterances come one after the other, subtract what is normal for
        each voice, if the bundle is made for it (voice_baseline.py).
    :raises InvalidInput: if the device does not exist, the engine cannot be used, or the prior
        is not of this form.
    """

    def __init__(self, bundle: Bundle, device: str = 'cpu', prior: str = '', *,
                 engine: str = AUTO, adapt_to_voices: bool = True) -> None:
        shares = read_prior(prior)
        self.device = check_device(device)
        self.bundle = bundle
        self.config = bundle.config
        self.engine = choose_engine(engine, self.device, bundle.lacks_graphs)
        # Of face detection and voice activity, which do not depend on what the bundle has: a robot
        # that only senses answers as one that also recognises.
        self.sensing_engine = choose_engine(engine, self.device)
        self._model = bundle.graphs if self.engine == ONNX else _torch_model(bundle, self.device)
        self.encoders = StreamingEncoders(self._model)
        self._voice = _voice_shift(self._model) if (
            adapt_to_voices and self.config.voice_adaptation) else None
        self._corrections = {} if shares is None else {
            subset: correction(shares, trained) for subset, trained in self.config.priors.items()}
        if not self.config.trained:
            LOGGER.warning(UNTRAINED.format(name=self.config.name))
        elif shares is not None and not self.config.priors:
            LOGGER.warning(NO_PRIOR.format(name=self.config.name))
        _log_notice(bundle)

    @property
    def model(self) -> EmotionModel:
        """
        The torch modules.

        :raises InvalidInput: if the engine is another one.
        """
        if self.engine == ONNX:
            raise InvalidInput('the recogniser has no torch modules: its engine is onnx; load it '
                               'with engine torch')
        return self.bundle.model

    @classmethod
    def load(cls, name_or_path: str | Path = DEFAULT_BUNDLE, *, device: str = 'cpu',
             expected_hash: str = '', prior: str = '', engine: str = AUTO,
             adapt_to_voices: bool = True) -> Self:
        """
        Load a bundle by name or path.

        :param expected_hash: if given, a bundle with another content hash is refused.
        :param device: as of the class; so are `engine`, `prior` and `adapt_to_voices`.
        :raises BundleError: if it cannot be used.
        :raises InvalidInput: as the class.
        """
        found = check_device(device)
        read_prior(prior)
        bundle = Bundle.load(name_or_path, expected_hash, engine=engine, device=found)
        return cls(bundle, found, prior, engine=engine, adapt_to_voices=adapt_to_voices)

    def recognize(self, utterance: Utterance) -> Estimate:
        """
        Estimate the emotion of a whole utterance.

        :raises InvalidInput: if it has no modality at all, or the networks give no numbers.
        """
        return self.recognize_batch([utterance])[0]

    def recognize_batch(self, utterances: Sequence[Utterance]) -> list[Estimate]:
        """
        Estimate the emotions of several utterances in one go, padded and masked.

        :raises InvalidInput: if one of them has no modality at all, or the networks give no
            numbers for it.
        """
        estimates = self._fused(self.encoders.encode(utterances)) if utterances else []
        for estimate in estimates:
            if not estimate.finite:
                raise InvalidInput(NOT_FINITE.format(bundle=self.config.name,
                                                     modalities=estimate.modalities.title))
        return estimates

    def warm_up(self) -> None:
        """Run the networks once, so that the first utterance is not slower than the others."""
        faces = np.zeros((1, FACE_SIZE, FACE_SIZE, 3), np.uint8)
        silence = np.zeros(SAMPLE_RATE, np.int16)
        self.recognize(Utterance(text='hello', audio=silence, faces=faces))

    def finish(self, states: Sequence[EncoderStates], contexts: Sequence[DialogueContext],
               stages: Stages = UNMEASURED, voices: Sequence[VoiceOffset] = ()
               ) -> list[Estimate]:
        """
        Estimate from all that the encoders have received of utterances; more may follow.

        Estimates that are not `finite` are for the caller to leave out.

        :param voices: for each utterance what subtracts from the logits of its voice; empty:
            nothing.
        :raises InvalidInput: if nothing was received of one of them.
        """
        batch = self.encoders.finish(states, contexts, stages)
        if voices and self._voice is not None and Modality.AUDIO in batch:
            batch[Modality.AUDIO] = self._voice.shifted(batch[Modality.AUDIO], voices)
        with stages.measuring(FUSION):
            return self._fused(batch)

    def _fused(self, features: dict[Modality, Encoded]) -> list[Estimate]:
        try:
            with self._model.inference():
                fused = self._model.fuse(features, self.config.modality_weights)
        except ValueError as error:
            raise InvalidInput('utterance: it has no text, no audio and no face; give at least '
                               'one of them') from error
        return [self._to_estimate(fused, row) for row in range(len(fused.logits))]

    def _to_estimate(self, fused: Fused, row: int) -> Estimate:
        modalities = Modality.where(fused.present[row])
        subset = modalities.title
        scaled = fused.logits[row] / np.float32(self.config.temperatures.get(subset, 1.0))
        if subset in self._corrections:
            scaled = scaled + self._corrections[subset]
        probabilities = np.asarray(softmax(scaled), np.float32)
        valence, arousal = probabilities @ np.array(self.config.circumplex, np.float32)
        return Estimate(
            probabilities=probabilities, logits=fused.logits[row].copy(), modalities=modalities,
            modality_weights=tuple(fused.weights[row].tolist()), valence=float(valence),
            arousal=float(arousal),
            calibrated=self.config.calibrated and subset in self.config.temperatures,
            trained=self.config.trained, bundle_name=self.config.name,
            bundle_hash=self.bundle.content_hash)


def _torch_model(bundle: Bundle, device: str) -> Model:
    from mmer_ros.recognition.torch_model import TorchModel
    return TorchModel(bundle.model, device)


def _voice_shift(model: Model) -> VoiceShift:
    classifier = model.voice_classifier()
    if classifier is None:
        raise InvalidInput('voice_adaptation: the classifier of the audio encoder is not linear; '
                           'take the setting out of config.json')
    return VoiceShift(classifier)


def _log_notice(bundle: Bundle) -> None:
    """Log the bundle's licence notice, once in a process."""
    if bundle.config.notice and bundle.content_hash not in _noticed:
        _noticed.add(bundle.content_hash)
        LOGGER.warning('bundle %s: %s', bundle.config.name, bundle.config.notice)


def check_device(device: str) -> str:
    """
    Return the device as torch writes it, e.g. 'cpu' or 'cuda:0'.

    :raises InvalidInput: if it does not exist here.
    """
    if device == 'cpu':
        return device
    if not is_installed('torch'):
        raise InvalidInput(f'device {device!r}: it needs torch, which is not installed; '
                           f'{INSTALL_TORCH}')
    from mmer_ros.recognition.torch_model import find_device
    try:
        return find_device(device)
    except ValueError as error:
        raise InvalidInput(f'device {device!r}: it cannot be used here; there is {error}'
                           ) from error
