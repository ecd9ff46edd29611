# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The face encoder: embeddings, the GRU against equations 2 to 5, padding and sampling."""

from __future__ import annotations

from mmer_ros.networks.compact_facenet import CompactFaceNet, EMBEDDING_SIZE
from mmer_ros.networks.crossmodal import summary
from mmer_ros.networks.face_encoder import FaceEncoder, FaceEncoderConfig, FaceState, sample_evenly
from mmer_ros.types import Modality
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
import pytest
import torch
from torch import Tensor

from ..fixtures.model import random_faces, responsive, seeded, TINY, TOLERANCE

Array = NDArray[np.float64]


def encoder() -> FaceEncoder:
    module: FaceEncoder = responsive(seeded(FaceEncoder, TINY.face, 7))
    return module


def embeddings(count: int, batch: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, count, EMBEDDING_SIZE, generator=generator)
    return x / x.norm(dim=2, keepdim=True)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def gates(gru: torch.nn.GRU) -> list[tuple[Array, Array, Array, Array]]:
    """Return W, U, b_W and b_U of the reset gate, the update gate and the cell, in that order."""
    parts = [p.detach().double().numpy().reshape(3, gru.hidden_size, -1) for p in (
        gru.weight_ih_l0, gru.weight_hh_l0, gru.bias_ih_l0, gru.bias_hh_l0)]
    return [(w, u, bw[:, 0], bu[:, 0]) for w, u, bw, bu in zip(*parts)]


def test_gru_is_equations_2_to_5_step_by_step() -> None:
    """
    The GRU's outputs are those of the recurrence, from a state of zeros.

    Equation 4 resets the state before it is multiplied, U(h * r); torch, like cuDNN, resets the
    product, r * (U h + b). This is torch's form.
    """
    face = encoder()
    x = embeddings(6)
    out, _ = face(x, torch.tensor([6]))
    (wr, ur, br, cr), (wz, uz, bz, cz), (wh, uh, bh, ch) = gates(face.gru)
    h = np.zeros(face.gru.hidden_size)
    for t in range(6):
        v = x[0, t].double().numpy()
        z = sigmoid(wz @ v + bz + uz @ h + cz)                       # eq. 2
        r = sigmoid(wr @ v + br + ur @ h + cr)                       # eq. 3
        cell = np.tanh(wh @ v + bh + r * (uh @ h + ch))              # eq. 4, torch's form
        h = (1 - z) * cell + z * h                                   # eq. 5
        np.testing.assert_allclose(out[0, t].detach().numpy(), h, atol=TOLERANCE)


def test_gru_is_equation_4_to_the_letter_where_both_forms_agree() -> None:
    """With a diagonal U^h and no bias beside it, U(h * r) and r * (U h) are the same."""
    face = encoder()
    n = face.gru.hidden_size
    with torch.no_grad():
        face.gru.weight_hh_l0[2 * n:] = torch.diag(torch.linspace(-2, 2, n))
        face.gru.bias_hh_l0[2 * n:] = 0
    x = 5 * embeddings(6)
    out, _ = face(x, torch.tensor([6]))
    (wr, ur, br, cr), (wz, uz, bz, cz), (wh, uh, bh, _) = gates(face.gru)
    h = np.zeros(n)
    for t in range(6):
        v = x[0, t].double().numpy()
        z = sigmoid(wz @ v + uz @ h + bz + cz)
        r = sigmoid(wr @ v + ur @ h + br + cr)
        h = (1 - z) * np.tanh(wh @ v + uh @ (h * r) + bh) + z * h
        np.testing.assert_allclose(out[0, t].detach().numpy(), h, atol=TOLERANCE)


def test_padding_is_masked_and_has_no_effect() -> None:
    face = encoder()
    x = embeddings(6, batch=3)
    lengths = torch.tensor([6, 2, 4])
    for row, length in enumerate(lengths):
        x[row, length:] = 100.0
    out, mask = face(x, lengths)
    for row, length in enumerate(lengths):
        alone, _ = face(x[row:row + 1, :length], length[None])
        torch.testing.assert_close(out[row, :length], alone[0], atol=TOLERANCE, rtol=0)
        assert not out[row, length:].any()
        assert mask[row].tolist() == [True] * int(length) + [False] * (6 - int(length))


def test_classifier_sees_the_last_valid_output() -> None:
    """Section 4.1.3: the last hidden state h_t, not that of the padding."""
    face = encoder()
    x, lengths = embeddings(6, batch=3), torch.tensor([6, 2, 4])
    out, mask = face(x, lengths)
    last = summary(Modality.FACE, out, mask)
    for row, length in enumerate(lengths.tolist()):
        _, h = face.gru(x[row:row + 1, :length])
        torch.testing.assert_close(last[row], h[0, 0], atol=TOLERANCE, rtol=0)
    assert face.classifier(last).shape == (3, 7)


@pytest.mark.parametrize('have', [0, 1, 49, 50, 51, 99, 100, 101, 1_000])
def test_more_than_50_images_are_sampled_evenly(have: int) -> None:
    chosen = sample_evenly(list(range(have)), FaceEncoderConfig().max_images)
    assert len(chosen) == min(have, 50)
    if have <= 50:
        assert chosen == list(range(have))
        return
    assert (chosen[0], chosen[-1]) == (0, have - 1)
    steps = np.diff(chosen)
    assert steps.min() >= 1 and steps.max() - steps.min() <= 1


def finished(face: FaceEncoder, state: FaceState) -> torch.Tensor:
    encoded = face.finish([state])
    assert encoded is not None and encoded[1].all()
    return encoded[0][0]


def test_stream_runs_the_gru_over_the_sampled_images() -> None:
    """Of 11 images, 6 are taken: every second one."""
    face = encoder()
    images = random_faces(11)
    state = face.start()
    for part in (images[:4], images[4:4], images[4:]):
        face.stream([state], [part])
    features = finished(face, state)
    assert features.shape == (6, face.width)
    whole, _ = face(face.embed(torch.from_numpy(images[::2]))[None], torch.tensor([6]))
    torch.testing.assert_close(features, whole[0], atol=TOLERANCE, rtol=0)


def test_no_face_gives_nothing() -> None:
    face = encoder()
    assert face.start().empty and face.finish([face.start()]) is None


@pytest.mark.parametrize('sizes', [[11], [1] * 11, [0, 3, 0, 0, 7, 1, 0], [5, 6]])
def test_answer_does_not_depend_on_the_split_to_the_bit(sizes: list[int]) -> None:
    face = encoder()
    images = random_faces(11)
    whole, parts = face.start(), face.start()
    face.stream([whole], [images])
    for part in np.split(images, np.cumsum(sizes)[:-1]):
        face.stream([parts], [part])
    assert torch.equal(finished(face, parts), finished(face, whole))


def test_images_are_standardised_as_facenet_was_trained() -> None:
    """(x - 127.5) / 128 of RGB, channels first."""
    face = encoder()
    seen = []
    face.facenet.register_forward_hook(lambda _m, x, _o: seen.append(x[0]))
    images = random_faces(2)
    face.embed(torch.from_numpy(images))
    expected = (images.astype(np.float64).transpose(0, 3, 1, 2) - 127.5) / 128
    np.testing.assert_allclose(seen[0].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize('config', [TINY.face, FaceEncoderConfig()], ids=['compact', 'paper'])
@torch.inference_mode()
def test_embeddings_have_512_values_and_unit_length(config: FaceEncoderConfig) -> None:
    """The compact network has FaceNet's interface."""
    face: FaceEncoder = responsive(seeded(FaceEncoder, config, 7))
    vectors = face.embed(torch.from_numpy(random_faces(2)))
    assert vectors.shape == (2, 512)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    assert not torch.allclose(vectors[0], vectors[1], atol=1e-4)


def test_compact_network_is_what_the_architecture_says() -> None:
    """At width 32, its backbone is less than a thirtieth of InceptionResnetV1's 23.5 million."""
    weights = sum(p.numel() for p in CompactFaceNet(32).parameters())
    assert weights < 23_500_000 / 30


@torch.inference_mode()
def test_a_mirrored_network_sees_both_sides() -> None:
    """The embedding of a face is that of its mirror image: the mean of what each of them is."""
    crops = torch.from_numpy(random_faces(2))
    one = responsive(seeded(FaceEncoder, TINY.face, 7))
    both = responsive(seeded(FaceEncoder, TINY.face.model_copy(update={'mirrored': True}), 7))
    sides = one.embed(crops), one.embed(crops.flip(2))
    assert not torch.allclose(*sides, atol=1e-4)
    mean = torch.nn.functional.normalize(sides[0] + sides[1], dim=1)
    torch.testing.assert_close(both.embed(crops), mean)
    torch.testing.assert_close(both.embed(crops.flip(2)), mean)


def test_only_the_compact_network_can_be_mirrored() -> None:
    """What would be left undone is refused."""
    with pytest.raises(ValidationError, match='mirrored=false or backbone=compact'):
        FaceEncoderConfig(mirrored=True)


def test_a_mirrored_network_learns_from_one_side_at_a_time() -> None:
    """In training the mirror image is left to the augmentation."""
    both = seeded(FaceEncoder, TINY.face.model_copy(update={'mirrored': True}), 7)
    seen: list[torch.Tensor] = []
    both.facenet.features.register_forward_hook(lambda _m, x, _o: seen.append(x[0]))
    for training in (True, False):
        both.train(training).embed(torch.from_numpy(random_faces(3)))
    assert [len(images) for images in seen] == [3, 6]
