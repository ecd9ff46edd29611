"""Small models and random input for the tests of the recogniser and its parts."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from mmer_ros.networks.audio_encoder import AudioEncoderConfig
from mmer_ros.networks.compact_facenet import CompactFaceNet
from mmer_ros.networks.crossmodal import FusionConfig
from mmer_ros.networks.emotion_model import EmotionModel, ModelConfig
from mmer_ros.networks.face_encoder import FaceEncoderConfig
from mmer_ros.networks.text_encoder import byte_tokenizer, TextEncoderConfig
from mmer_ros.recognition.bundle import Bundle, BundleConfig
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import FACE_SIZE, FaceCrop, Modality, Utterance
import numpy as np
from numpy.typing import NDArray
import torch

Module = TypeVar('Module', bound=torch.nn.Module)
TOLERANCE = 1e-5  # of features and logits of order 1 in float32
TEMPERATURES = {'text': 2.0, 'text+audio': 0.5, 'text+audio+face': 1.5}
TRUST = (3.0, 1.0, 2.0)
SUBSETS = [Modality(bits) for bits in range(1, 8)]

TINY_AUDIO = AudioEncoderConfig(
    hop_length=40, n_fft=256, win_length=200, n_freq=16, n_rnn=16, n_res_block=2, n_hidden=8,
    n_output=8, samples_per_step=4, upsample_scales=(5, 2), classifier_hidden=8)
TINY = ModelConfig(
    text=TextEncoderConfig(vocab_size=261, n_positions=128, n_embd=32, n_layer=2, n_head=4,
                           history_turns=3),
    audio=TINY_AUDIO,
    face=FaceEncoderConfig(backbone='compact', width=4, max_images=6, hidden=16),
    fusion=FusionConfig(width=32, heads=4, embracement_size=24))


def tiny_bundle(seed: int = 0, **config: Any) -> Bundle:
    """Return a new bundle with random weights; by default it claims to be trained."""
    settings = {'name': 'tiny', 'model': TINY, 'temperatures': TEMPERATURES, 'trust': TRUST,
                'trained': True, 'calibrated': True} | config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = responsive(EmotionModel(settings['model']).eval())
    return Bundle.create(BundleConfig(**settings), model, byte_tokenizer(), '# tiny\n')


def responsive(model: Module) -> Module:
    """
    Return a model whose untrained small CNN tells images apart.

    Its signal fades from layer to layer, and the embedding is all bias: other images would
    change the logits by 5e-5 only, and tests of faces would compare constants.
    """
    for part in model.modules():
        if isinstance(part, CompactFaceNet):
            torch.nn.init.zeros_(part.embedding.bias)
    return model


@cache
def tiny_recognizer() -> Recognizer:
    """Return one recogniser that all tests share; they must not change it."""
    return Recognizer(tiny_bundle())


def seeded(module: type[torch.nn.Module], *args: Any, seed: int = 0) -> Any:
    """Return a module with weights of a seed, in evaluation mode and without gradients."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return module(*args).eval().requires_grad_(False)


def random_audio(samples: int, seed: int = 0) -> NDArray[np.int16]:
    """Return noise over a tone, loud enough to matter."""
    rng = np.random.default_rng(seed)
    tone = 6_000 * np.sin(np.arange(samples) * (0.05 + 0.02 * seed))
    return (tone + rng.normal(0, 3_000, samples)).astype(np.int16)


def random_faces(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return crops of coarse random patches, which differ even after pooling."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return coarse.repeat(FACE_SIZE // 8, axis=1).repeat(FACE_SIZE // 8, axis=2)


def crops(images: NDArray[np.uint8], start: float = 0.0, step: float = 0.1
          ) -> tuple[FaceCrop, ...]:
    """Return images as crops of one face, `step` seconds apart."""
    return tuple(FaceCrop(start + i * step, 'face_1', image) for i, image in enumerate(images))


def utterance(modalities: Modality, seed: int = 0, *, samples: int = 1_000, faces: int = 3,
              text: str = 'how was I to know', **more: Any) -> Utterance:
    """Return an utterance of the given modalities."""
    return Utterance(
        text=text if Modality.TEXT in modalities else None,
        audio=random_audio(samples, seed) if Modality.AUDIO in modalities else None,
        faces=random_faces(faces, seed) if Modality.FACE in modalities else None, **more)


def subset_name(modalities: Modality) -> str:
    """Return a subset as the keys of the temperatures name it."""
    names = ((Modality.TEXT, 'text'), (Modality.AUDIO, 'audio'), (Modality.FACE, 'face'))
    return '+'.join(name for modality, name in names if modality in modalities)
