# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The crossmodal blocks against equations 6 to 12, computed anew with numpy loops."""

from __future__ import annotations

import itertools

from mmer_ros.networks.crossmodal import CrossmodalBlock, CrossmodalFusion
from mmer_ros.networks.fusion import FusionConfig, make_fusion
from mmer_ros.types import MODALITIES, Modality
import numpy as np
from numpy.typing import NDArray
import pytest
import torch
from torch import nn, Tensor
from training.engine.config import load_settings
from training.engine.losses import EmotionLoss
from training.fusion.stage import FusionModule, FusionRecipe

from ..fixtures.model import seeded, TOLERANCE

Array = NDArray[np.float64]
SIZES = {Modality.TEXT: 12, Modality.AUDIO: 7, Modality.FACE: 9}
LENGTHS = {Modality.TEXT: 5, Modality.AUDIO: 6, Modality.FACE: 4}
CONFIG = FusionConfig(width=16, heads=4, embracement_size=8)


def array(x: Tensor) -> Array:
    return x.detach().double().numpy()


def layer_norm(x: Array, norm: nn.LayerNorm) -> Array:
    """Normalise the last axis; epsilon 1e-5 and biased variance are torch's defaults."""
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred ** 2).mean(-1, keepdims=True) + 1e-5)
    return scaled * array(norm.weight) + array(norm.bias)


def block_by_hand(block: CrossmodalBlock, target: Array, source: Array, heads: int) -> Array:
    """Equations 6 to 11 for one sequence without padding, head by head and step by step."""
    q = target @ array(block.query.weight).T
    k = source @ array(block.key.weight).T
    v = source @ array(block.value.weight).T
    d = q.shape[1] // heads
    attended = np.zeros_like(q)
    for head, t in itertools.product(range(heads), range(len(target))):
        part = slice(head * d, (head + 1) * d)
        scores = np.exp([q[t, part] @ k[s, part] / np.sqrt(d) for s in range(len(source))])
        attended[t, part] = sum(w * v[s, part] for s, w in enumerate(scores / scores.sum()))
    x = layer_norm(attended + q, block.attention_norm)
    first, second = block.feed_forward[0], block.feed_forward[-1]
    hidden = np.maximum(x @ array(first.weight).T + array(first.bias), 0)
    return layer_norm(hidden @ array(second.weight).T + array(second.bias) + x,
                      block.output_norm)


def randomise_norms(module: nn.Module) -> None:
    """Give the normalisations weights that show: they begin as ones and zeros."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.LayerNorm):
                part.weight.copy_(torch.rand(part.weight.shape, generator=generator) + 0.5)
                part.bias.copy_(torch.randn(part.bias.shape, generator=generator))


def fusion() -> CrossmodalFusion:
    module: CrossmodalFusion = seeded(CrossmodalFusion, SIZES, CONFIG)
    randomise_norms(module)
    return module


def sequences(modalities: tuple[Modality, ...], batch: int = 1, seed: int = 0
              ) -> dict[Modality, tuple[Tensor, Tensor]]:
    """Return random features without padding."""
    generator = torch.Generator().manual_seed(seed)
    full = {m: torch.randn(batch, LENGTHS[m], SIZES[m], generator=generator) for m in MODALITIES}
    return {m: (full[m], torch.ones(batch, LENGTHS[m], dtype=torch.bool)) for m in modalities}


def own_by_hand(module: CrossmodalFusion, target: Modality, x: Array) -> Array:
    linear, norm = module.own[str(target.name).lower()]
    return layer_norm(x @ array(linear.weight).T + array(linear.bias), norm)


def target_by_hand(module: CrossmodalFusion, target: Modality, x: dict[Modality, Array]
                   ) -> Array:
    """Equation 12 and the mean over time, of one utterance with the modalities of x."""
    enriched = np.ones((len(x[target]), CONFIG.width))
    for source in (m for m in x if m != target):
        block = module.blocks[f'{source.name}_to_{target.name}'.lower()]
        enriched = enriched * block_by_hand(block, x[target], x[source], CONFIG.heads)
    if len(x) == 1:
        enriched = own_by_hand(module, target, x[target])
    return enriched.mean(axis=0)


@pytest.mark.parametrize('heads', [1, 4])
def test_block_is_equations_6_to_11(heads: int) -> None:
    block = seeded(CrossmodalBlock, 12, 7, FusionConfig(width=16, heads=heads))
    randomise_norms(block)
    generator = torch.Generator().manual_seed(1)
    target = torch.randn(1, 5, 12, generator=generator)
    source = torch.randn(1, 6, 7, generator=generator)
    out = block(target, source, torch.ones(1, 6, dtype=torch.bool))
    expected = block_by_hand(block, array(target[0]), array(source[0]), heads)
    assert out.shape == (1, 5, 16)
    np.testing.assert_allclose(array(out[0]), expected, atol=TOLERANCE)


def test_feed_forward_is_twice_as_wide_inside() -> None:
    """Below equation 10: A_x is d x 2d and A'_xa is 2d x d."""
    block = CrossmodalBlock(12, 7, CONFIG)
    assert block.feed_forward[0].weight.shape == (32, 16)
    assert block.feed_forward[-1].weight.shape == (16, 32)


def test_query_is_of_the_target_and_key_and_value_of_the_source() -> None:
    block = CrossmodalBlock(12, 7, CONFIG)
    assert block.query.in_features == 12
    assert block.key.in_features == block.value.in_features == 7


def test_residual_carries_the_query_when_the_source_says_nothing() -> None:
    """Equation 7 adds Q: with values of zero, x is the normalised query alone."""
    block = seeded(CrossmodalBlock, 12, 7, CONFIG)
    with torch.no_grad():
        block.value.weight.zero_()
    target = torch.randn(1, 5, 12, generator=torch.Generator().manual_seed(1))
    seen = []
    block.feed_forward.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0]))
    block(target, torch.randn(1, 6, 7), torch.ones(1, 6, dtype=torch.bool))
    query = array(target[0]) @ array(block.query.weight).T
    np.testing.assert_allclose(
        array(seen[0][0]), layer_norm(query, block.attention_norm), atol=TOLERANCE)


def test_masked_source_steps_are_not_attended_to() -> None:
    block = seeded(CrossmodalBlock, 12, 7, CONFIG)
    generator = torch.Generator().manual_seed(1)
    target = torch.randn(1, 5, 12, generator=generator)
    source = torch.randn(1, 6, 7, generator=generator)
    mask = torch.tensor([[True, False, True, True, False, False]])
    out = block(target, source, mask)
    torch.testing.assert_close(out, block(target, source[:, mask[0]], mask[:, mask[0]]),
                               atol=TOLERANCE, rtol=0)
    assert not torch.allclose(out, block(target, source, torch.ones_like(mask)), atol=1e-3)


@pytest.mark.parametrize('present', [
    c for n in (1, 2, 3) for c in itertools.combinations(MODALITIES, n)])
def test_fusion_of_every_subset_is_as_written(present: tuple[Modality, ...]) -> None:
    """Two sources: their Hadamard product; one: it alone; none: the own projection."""
    module = fusion()
    features = sequences(present)
    out = module(features)
    assert set(out) == set(present)
    x = {m: array(f[0]) for m, (f, _) in features.items()}
    for target in present:
        expected = target_by_hand(module, target, x)
        np.testing.assert_allclose(array(out[target][0]), expected, atol=10 * TOLERANCE)


def test_rows_of_a_batch_lack_modalities_one_by_one() -> None:
    """A batch in which every row has another subset gives what each row gives alone."""
    module = fusion()
    subsets = [c for n in (1, 2, 3) for c in itertools.combinations(MODALITIES, n)]
    features = sequences(MODALITIES, batch=len(subsets))
    for row, subset in enumerate(subsets):
        for modality in set(MODALITIES) - set(subset):
            features[modality][1][row] = False
    out = module(features)
    for row, subset in enumerate(subsets):
        x = {m: array(features[m][0][row]) for m in subset}
        for target in subset:
            np.testing.assert_allclose(array(out[target][row]), target_by_hand(module, target, x),
                                       atol=10 * TOLERANCE)
    assert all(torch.isfinite(x).all() for x in out.values())


def test_alone_a_target_may_go_through_its_blocks_without_attention() -> None:
    """Equations 7 to 12 with nothing to attend to, so that there is no weight of its own."""
    module = seeded(CrossmodalFusion, SIZES, CONFIG.model_copy(
        update={'without_source': 'blocks'}))
    assert not [name for name, _ in module.named_parameters() if name.startswith('own')]
    for target in MODALITIES:
        x, mask = sequences((target,))[target]
        expected = np.ones((LENGTHS[target], CONFIG.width))
        for source in (m for m in MODALITIES if m != target):
            block: CrossmodalBlock = module.blocks[  # type: ignore[assignment]
                f'{source.name}_to_{target.name}'.lower()]
            attended = torch.zeros_like(block.query(x))
            y = block.attention_norm(attended + block.query(x))
            expected = expected * array(block.output_norm(block.feed_forward(y) + y)[0])
        found = module({target: (x, mask)})[target][0]
        np.testing.assert_allclose(array(found), expected.mean(axis=0), atol=10 * TOLERANCE)


def test_the_papers_recipe_trains_every_weight_that_it_uses() -> None:
    """All modalities are there in training, so nothing may wait for one that is missing."""
    recipe = load_settings(FusionRecipe, 'fusion/paper', ['fusion.width=16', 'fusion.heads=2'])
    assert recipe.modality_dropout == 0
    module = FusionModule(make_fusion(SIZES, recipe.fusion),
                          EmotionLoss(recipe.loss, [1.0] * 7), recipe.modality_weights)
    module({'features': sequences(MODALITIES, 4), 'targets': torch.eye(7)[:4]}).loss.backward()
    assert [name for name, p in module.named_parameters() if p.grad is None] == []


def test_mean_over_time_is_of_the_valid_steps_only() -> None:
    module = fusion()
    features = sequences((Modality.AUDIO,))
    x, mask = features[Modality.AUDIO]
    mask[0, 4:] = False
    expected = own_by_hand(module, Modality.AUDIO, array(x[0, :4])).mean(axis=0)
    out = module(features)[Modality.AUDIO][0]
    np.testing.assert_allclose(array(out), expected, atol=TOLERANCE)
    x[0, 4:] = 1e3  # what padding holds does not matter
    torch.testing.assert_close(module(features)[Modality.AUDIO][0], out)


def test_padding_of_all_three_has_no_effect() -> None:
    module = fusion()
    features = sequences(MODALITIES)
    padded = {m: (nn.functional.pad(x, (0, 0, 0, 3), value=7.0), nn.functional.pad(mask, (0, 3)))
              for m, (x, mask) in features.items()}
    out, out_padded = module(features), module(padded)
    for modality in MODALITIES:
        torch.testing.assert_close(out[modality], out_padded[modality], atol=TOLERANCE, rtol=0)


def test_missing_modality_gets_and_gives_no_gradient() -> None:
    """Training with modality dropout must not learn from what is not there, nor see NaN."""
    module = fusion().requires_grad_(True)
    features = sequences(MODALITIES)
    features[Modality.FACE][1][:] = False
    out = module(features)
    (out[Modality.TEXT].sum() + out[Modality.AUDIO].sum()).backward()
    gradients = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    assert all(torch.isfinite(g).all() for g in gradients.values())
    assert all(not g.any() for name, g in gradients.items() if 'face_to' in name)
    assert any(g.any() for name, g in gradients.items() if 'audio_to_text' in name)


def test_summary_is_the_last_step_of_text_and_face_and_the_mean_of_audio() -> None:
    """With the same weights, a target of one step pools to what its last step would."""
    mean = seeded(CrossmodalFusion, SIZES, CONFIG)
    summary = CrossmodalFusion(SIZES, CONFIG.model_copy(update={'pooling': 'summary'})).eval()
    summary.load_state_dict(mean.state_dict())
    generator = torch.Generator().manual_seed(3)
    features = {m: (torch.randn(2, LENGTHS[m], SIZES[m], generator=generator),
                    torch.arange(LENGTHS[m]) < torch.tensor([[LENGTHS[m]], [2]]))
                for m in MODALITIES}
    with torch.no_grad():
        pooled = summary(features)
        torch.testing.assert_close(pooled[Modality.AUDIO], mean(features)[Modality.AUDIO])
        for target in (Modality.TEXT, Modality.FACE):
            for row, last in enumerate((LENGTHS[target] - 1, 1)):
                one = {m: (x[row:row + 1], mask[row:row + 1])
                       for m, (x, mask) in features.items()}
                one[target] = (features[target][0][row:row + 1, last:last + 1],
                               torch.ones(1, 1, dtype=torch.bool))
                torch.testing.assert_close(pooled[target][row], mean(one)[target][0],
                                           atol=TOLERANCE, rtol=0)
