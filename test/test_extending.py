# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Exchangeable parts: a toy of each kind, added from here alone, works through the whole system.

docs/extending.md shows the same parts with explanations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mmer_ros import Pipeline, Recognizer, Utterance, VideoFrame
from mmer_ros.networks.batching import as_float, pad_features
from mmer_ros.networks.emotion_model import EmotionModel, ModelConfig
from mmer_ros.networks.encoder import (
    BACKBONES,
    DialogueContext,
    Encoded,
    Encoder,
    EncoderConfig,
    register_backbone,
)
from mmer_ros.networks.fusion import (
    available,
    FAMILIES,
    Features,
    FusionConfig,
    FusionOutput,
    register_fusion,
)
from mmer_ros.networks.text_encoder import byte_tokenizer
from mmer_ros.recognition.bundle import Bundle, BundleConfig, BundleError
from mmer_ros.recognition.dialogue_stream import DialogueStream
from mmer_ros.registry import Registry
from mmer_ros.sensing.face_detector import Detection, DETECTORS, FaceConfig, make_detector
from mmer_ros.types import (
    EMOTIONS,
    InvalidInput,
    MODALITIES,
    Modality,
    Turn,
    UInt8,
    UtterancePart,
)
import numpy as np
import pytest
import torch
from torch import nn, Tensor

from .fixtures.docs import DOCS, examples
from .fixtures.model import random_audio, random_faces, TINY

# ------------------------------------------------------------------ a text backbone


class BagOfWordsConfig(EncoderConfig):
    backbone: Literal['bag_of_words'] = 'bag_of_words'
    buckets: int = 64


@dataclass
class Words:
    texts: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not self.texts


@register_backbone(Modality.TEXT, 'bag_of_words', config=BagOfWordsConfig)
class BagOfWords(Encoder):
    """One vector a word, by the sum of its bytes; the dialogue and the order do not matter."""

    width = 8

    def __init__(self, config: BagOfWordsConfig, n_classes: int) -> None:
        super().__init__()
        self.buckets = config.buckets
        self.words = nn.Embedding(config.buckets, self.width)
        self.classifier = nn.Linear(self.width, n_classes)

    def start(self) -> Words:
        return Words()

    def stream(self, states: Sequence[Words], evidence: Sequence[str]) -> None:
        for state, text in zip(states, evidence):
            state.texts += text.split()

    def finish(self, states: Sequence[Words], contexts: Sequence[DialogueContext]
               ) -> Encoded | None:
        return pad_features([None if state.empty else self.words(torch.tensor(
            [sum(word.encode()) % self.buckets for word in state.texts])) for state in states])


# ------------------------------------------------------------------ an audio backbone


class LoudnessConfig(EncoderConfig):
    backbone: Literal['loudness'] = 'loudness'


@dataclass
class Samples:
    levels: list[Tensor] = field(default_factory=list)
    rest: np.ndarray[Any, np.dtype[np.float32]] = field(
        default_factory=lambda: np.zeros(0, np.float32))

    @property
    def empty(self) -> bool:
        return not self.levels and not self.rest.size


@register_backbone(Modality.AUDIO, 'loudness', config=LoudnessConfig)
class Loudness(Encoder):
    """The level of each 10 ms, however the samples were cut."""

    width, hop = 1, 160

    def __init__(self, config: LoudnessConfig, n_classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(self.width, n_classes)

    def start(self) -> Samples:
        return Samples()

    def stream(self, states: Sequence[Samples], evidence: Sequence[Any]) -> None:
        for state, samples in zip(states, evidence):
            wave = np.concatenate([state.rest, as_float(samples)])
            whole = len(wave) // self.hop * self.hop
            for hop in wave[:whole].reshape(-1, self.hop):
                state.levels.append(torch.tensor([np.abs(hop).mean()]))
            state.rest = wave[whole:]

    def finish(self, states: Sequence[Samples], contexts: Sequence[DialogueContext]
               ) -> Encoded | None:
        return pad_features([None if state.empty else torch.stack(
            [*state.levels, torch.tensor([np.abs(state.rest).mean() if state.rest.size else 0.])])
            for state in states])


# ------------------------------------------------------------------ a fusion


class MeanFusionConfig(FusionConfig):
    family: Literal['toy_mean'] = 'toy_mean'
    sharpness: float = 2.0


@register_fusion('toy_mean', config=MeanFusionConfig)
class MeanFusion(nn.Module):
    """The weighted mean of the encoders' own logits over all steps."""

    def __init__(self, sizes: Mapping[Modality, int], config: MeanFusionConfig,
                 classifiers: Mapping[Modality, nn.Module] | None = None) -> None:
        super().__init__()
        self.sharpness = config.sharpness
        self.heads = nn.ModuleDict({m.key: nn.Linear(n, len(EMOTIONS)) for m, n in sizes.items()})

    def forward(self, features: Features, weights: Tensor, *, sample: bool | None = None,
                generator: torch.Generator | None = None) -> FusionOutput:
        present = available(features) * weights
        share = present / present.sum(dim=1, keepdim=True)
        logits = sum(share[:, [m.column]] * self.heads[m.key](x.mean(dim=1))
                     for m, (x, _) in features.items())
        assert isinstance(logits, Tensor)
        return FusionOutput(self.sharpness * logits, share, logits)


# ------------------------------------------------------------------ a face detector


class CentreDetector:
    """Takes the middle of every image for a face."""

    def __init__(self, config: FaceConfig, device: torch.device | str) -> None:
        self.config = config

    def detect(self, image: UInt8) -> list[Detection]:
        height, width = image.shape[:2]
        return [Detection((width / 4, height / 4, 3 * width / 4, 3 * height / 4), 0.99)]


DETECTORS.add('centre', CentreDetector)


# ------------------------------------------------------------------ what must work with them


def toy_bundle(tmp_path: Path) -> Bundle:
    """Return a bundle of toys that has been on the disk."""
    config = ModelConfig.model_validate({
        'text': {'backbone': 'bag_of_words', 'buckets': 32}, 'audio': {'backbone': 'loudness'},
        'face': TINY.face, 'fusion': {'family': 'toy_mean', 'sharpness': 3.0}})
    torch.manual_seed(0)
    made = Bundle.create(BundleConfig(name='toy', model=config, trained=True,
                                      faces=FaceConfig(detector='centre')),
                         EmotionModel(config).eval(), byte_tokenizer(), '# toy\n')
    made.save(tmp_path / 'toy')
    return Bundle.load(tmp_path / 'toy', made.content_hash)


@pytest.fixture
def recognizer(tmp_path: Path) -> Recognizer:
    return Recognizer(toy_bundle(tmp_path))


def test_a_bundle_rebuilds_parts_that_were_registered_elsewhere(recognizer: Recognizer) -> None:
    model = recognizer.model
    assert isinstance(model.text, BagOfWords) and model.text.buckets == 32
    assert isinstance(model.audio, Loudness)
    assert isinstance(model.fusion, MeanFusion) and model.fusion.sharpness == 3.0
    assert isinstance(make_detector(recognizer.config.faces), CentreDetector)


def test_utterances_are_recognised_with_them(recognizer: Recognizer) -> None:
    whole = Utterance(text='how was I to know', audio=random_audio(1_000), faces=random_faces(3))
    every = recognizer.recognize(whole)
    assert every.modalities == Modality.of(MODALITIES)
    for modality, alone in ((Modality.TEXT, Utterance(text='how was I to know')),
                            (Modality.AUDIO, Utterance(audio=random_audio(1_000)))):
        estimate = recognizer.recognize(alone)
        assert estimate.modalities == modality
        assert not np.allclose(estimate.probabilities, every.probabilities)
    together = recognizer.recognize_batch([whole, Utterance(text='no')])
    np.testing.assert_allclose(together[0].probabilities, every.probabilities, atol=1e-5)


def test_streamed_is_whole_with_them(recognizer: Recognizer) -> None:
    audio, text = random_audio(1_000), 'how was I to know'
    stream, estimate = DialogueStream(recognizer), None
    for index, samples in enumerate(np.array_split(audio, 4)):
        estimate = stream.push(UtterancePart(
            'u', index, 0.0, index * .1, (index + 1) * .1, audio=samples,
            text=text if index == 2 else '', last=index == 3))
    assert estimate is not None
    expected = recognizer.recognize(Utterance(text=text, audio=audio))
    np.testing.assert_array_equal(estimate.probabilities, expected.probabilities)


def test_the_pipeline_finds_faces_with_the_detector_of_the_bundle(recognizer: Recognizer) -> None:
    faces = []
    pipeline = Pipeline(recognizer, probability=lambda frame: 0.0,
                        on_faces=lambda frame, crops: faces.extend(crops))
    for stamp in (1.0, 1.5, 2.0):
        pipeline.push_frame(VideoFrame(stamp, np.zeros((80, 120, 3), np.uint8)))
    assert [crop.box for crop in faces] == [(30.0, 20.0, 90.0, 60.0)] * 3
    assert len({crop.face_id for crop in faces}) == 1
    assert all(crop.patch is None for crop in faces)  # this detector has no landmarks


@pytest.mark.parametrize('settings, message', [
    ({'text': {'backbone': 'gtp'}}, r"text backbone 'gtp': expected one of .*gpt"),
    ({'audio': {'backbone': 'gpt'}}, r"audio backbone 'gpt': expected one of .*wavernn"),
    ({'fusion': {'family': 'maen'}}, r"fusion 'maen': expected one of .*full.*mean"),
    ({'text': {'backbone': 'bag_of_words', 'n_layer': 3}}, 'n_layer')])
def test_an_unknown_part_is_named_with_those_that_exist(
        settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelConfig.model_validate(settings)


def test_an_unknown_part_in_a_bundle_is_one_sentence(tmp_path: Path) -> None:
    toy_bundle(tmp_path)
    path = tmp_path / 'toy' / 'config.json'
    path.write_text(path.read_text().replace('bag_of_words', 'bag_of_wrods'))
    with pytest.raises(BundleError, match='bag_of_wrods.*expected one of .*bag_of_words'):
        Bundle.load(tmp_path / 'toy')


def test_an_unknown_detector_is_named_with_those_that_exist() -> None:
    with pytest.raises(InvalidInput, match="face detector 'yunet': expected one of .*mtcnn"):
        make_detector(FaceConfig(detector='yunet'))


def test_a_name_belongs_to_one_part() -> None:
    registry = Registry[type]('toy')
    registry.add('a', int)
    registry.add('a', int)  # the same again, as when a module is imported twice
    with pytest.raises(ValueError, match="toy 'a': the name is taken by .*int"):
        registry.add('a', str)
    assert 'full' in FAMILIES.names() and 'gpt' in BACKBONES[Modality.TEXT].names()


def test_a_package_that_is_installed_registers_its_parts(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point is enough: a robot need not import the package."""
    import mmer_ros.registry
    (tmp_path / 'shouting.py').write_text(
        'from mmer_ros.sensing.face_detector import DETECTORS\n'
        "DETECTORS.add('shouting', lambda config, device: config)\n")
    folder = tmp_path / 'shouting-1.dist-info'
    folder.mkdir()
    (folder / 'METADATA').write_text('Metadata-Version: 2.1\nName: shouting\nVersion: 1\n')
    (folder / 'entry_points.txt').write_text('[mmer_ros.plugins]\nshouting = shouting\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    mmer_ros.registry.load_plugins.cache_clear()
    config = FaceConfig(detector='shouting')
    assert make_detector(config) is config


def test_the_examples_of_the_documentation_work(tmp_path: Path) -> None:
    """RoBERTa, another face detector and another fusion, as docs/extending.md has them."""
    namespace: dict[str, Any] = {'__name__': 'extending'}
    for example in examples(DOCS / 'extending.md'):
        exec(compile(example.code, 'extending.md', 'exec', dont_inherit=True), namespace)
    tiny = {'vocab_size': 300, 'hidden_size': 16, 'num_hidden_layers': 1, 'num_attention_heads': 2,
            'intermediate_size': 32, 'max_position_embeddings': 40}
    config = ModelConfig.model_validate({
        'text': {'backbone': 'roberta', 'architecture': tiny}, 'audio': TINY.audio,
        'face': TINY.face, 'fusion': {'family': 'mean'}})
    torch.manual_seed(0)
    bundle = Bundle.create(BundleConfig(name='hub', model=config), EmotionModel(config).eval(),
                           byte_tokenizer(), '# hub\n')
    bundle.save(tmp_path / 'hub')
    recognizer = Recognizer.load(tmp_path / 'hub')
    assert type(recognizer.model.text).__name__ == 'RobertaText'
    first, second = (recognizer.recognize(Utterance(
        text='I see', history=[Turn('ross', said)] if said else ())) for said in ('', 'we won'))
    assert not np.allclose(first.probabilities, second.probabilities)  # the dialogue counts
    assert 'yunet' in DETECTORS.names()
