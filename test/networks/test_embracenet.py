# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""EmbraceNet against equations 13 to 16, computed anew element by element."""

from __future__ import annotations

from mmer_ros.networks.embracenet import EmbraceNet, selection_probabilities
import numpy as np
from numpy.typing import NDArray
import pytest
import torch
from torch import Tensor

from ..fixtures.model import seeded, TOLERANCE

SIZES, SIZE, BATCH = (6, 4, 5), 256, 3  # 256 is the paper's embracement size
WEIGHTS = torch.tensor([[1.0, 1.0, 1.0], [3.0, 1.0, 0.5], [0.2, 2.0, 4.0]])


def network() -> EmbraceNet:
    net: EmbraceNet = seeded(EmbraceNet, SIZES, SIZE)
    with torch.no_grad():  # a different range each, so that elements tell where they are from
        for k, layer in enumerate(net.docking):
            layer.bias.add_(3.0 * (k + 1))
            layer.weight.mul_(0.3)
    return net


def inputs(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(BATCH, n, generator=generator) for n in SIZES]


def docked_by_hand(net: EmbraceNet, x: list[Tensor]) -> NDArray[np.float64]:
    """Return (modality, batch, element): a fully connected layer and a ReLU."""
    return np.stack([np.maximum(
        v.double().numpy() @ layer.weight.detach().double().numpy().T
        + layer.bias.detach().double().numpy(), 0) for layer, v in zip(net.docking, x)])


def test_docking_ends_in_a_relu() -> None:
    net = network()
    with torch.no_grad():
        for layer in net.docking:
            layer.bias.fill_(-100.0)
    assert not net(inputs(), WEIGHTS).any()


def test_sampled_form_is_its_definition() -> None:
    """Equations 14 to 16, given the r that the same generator draws (equation 13)."""
    net, x = network(), inputs()
    out = net(x, WEIGHTS, sample=True, generator=torch.Generator().manual_seed(11))
    p = WEIGHTS / WEIGHTS.sum(1, keepdim=True)
    drawn = torch.multinomial(p, SIZE, replacement=True,
                              generator=torch.Generator().manual_seed(11))
    d = docked_by_hand(net, x)
    expected = np.zeros((BATCH, SIZE))
    for row in range(BATCH):
        for i in range(SIZE):
            r = [1 if k == drawn[row, i] else 0 for k in range(3)]
            assert sum(r) == 1
            expected[row, i] = sum(r[k] * d[k, row, i] for k in range(3))
    np.testing.assert_allclose(out.detach().numpy(), expected, atol=TOLERANCE)


def test_every_element_is_of_exactly_one_modality_and_all_take_part() -> None:
    net, x = network(), inputs()
    d = docked_by_hand(net, x)
    out = net(x, WEIGHTS, sample=True, generator=torch.Generator().manual_seed(2))
    same = np.abs(d - out.detach().numpy()) < TOLERANCE  # (modality, batch, element)
    np.testing.assert_array_equal(same.sum(axis=0), 1)
    assert same.any(axis=2).all()


def draws_of(net: EmbraceNet, x: list[Tensor], count: int, seed: int) -> NDArray[np.float64]:
    """Return (draw, batch, element); the draws are rows of one large batch."""
    rows = net([v.repeat(count, 1) for v in x], WEIGHTS.repeat(count, 1), sample=True,
               generator=torch.Generator().manual_seed(seed))
    return rows.detach().double().numpy().reshape(count, BATCH, SIZE)


def test_elements_are_drawn_with_probability_p_each_for_itself() -> None:
    """Counts over 200 draws stay within five standard deviations of the binomial."""
    net, x, draws = network(), inputs(), 200
    d = docked_by_hand(net, x)
    drawn = np.abs(d[:, None] - draws_of(net, x, draws, 3)) < TOLERANCE
    p = (WEIGHTS / WEIGHTS.sum(1, keepdim=True)).numpy().T
    n = draws * SIZE
    counts = drawn.sum(axis=(1, 3))
    assert (np.abs(counts - n * p) < 5 * np.sqrt(n * p * (1 - p))).all()
    # two elements of row 0 are both from modality 0 in 1/9 of the draws, not in 1/3
    together = (drawn[0, :, 0, 0] & drawn[0, :, 0, 1]).sum()
    assert abs(together - draws / 9) < 5 * np.sqrt(draws / 9 * (1 - 1 / 9))


def test_mean_of_draws_converges_to_the_expectation() -> None:
    """
    The inference form is the expectation of the sampled form.

    The mean of n draws has the standard deviation sqrt(var / n); 768 elements stay within five
    of them with probability > 0.999.
    """
    net, x, draws = network(), inputs(), 1_000
    d = docked_by_hand(net, x)
    p = (WEIGHTS / WEIGHTS.sum(1, keepdim=True)).double().numpy().T[:, :, None]
    expected = (p * d).sum(axis=0)
    bound = 5 * np.sqrt(((p * d ** 2).sum(axis=0) - expected ** 2) / draws)
    assert (np.abs(draws_of(net, x, draws, 4).mean(axis=0) - expected) < bound).all()
    np.testing.assert_allclose(net(x, WEIGHTS, sample=False).detach().numpy(), expected,
                               atol=TOLERANCE)


@pytest.mark.parametrize('missing', [0, 1, 2])
def test_missing_modality_is_never_drawn_and_the_rest_is_renormalised(missing: int) -> None:
    net, x = network(), inputs()
    weights = WEIGHTS.clone()
    weights[:, missing] = 0
    d = docked_by_hand(net, x)
    out = net(x, weights, sample=True, generator=torch.Generator().manual_seed(5))
    same = np.abs(d - out.detach().numpy()) < TOLERANCE
    assert not same[missing].any()
    np.testing.assert_array_equal(same.sum(axis=0), 1)
    rest = [k for k in range(3) if k != missing]
    w = weights.double().numpy()
    expected = sum(w[:, k, None] / w[:, rest].sum(axis=1, keepdims=True) * d[k] for k in rest)
    np.testing.assert_allclose(net(x, weights, sample=False).detach().numpy(), expected,
                               atol=TOLERANCE)
    x[missing] = torch.full_like(x[missing], 1e6)  # what stands in its place does not matter
    torch.testing.assert_close(net(x, weights, sample=False), torch.from_numpy(expected).float(),
                               atol=TOLERANCE, rtol=0)


def test_weights_are_relative() -> None:
    torch.testing.assert_close(selection_probabilities(7 * WEIGHTS), WEIGHTS / WEIGHTS.sum(
        1, keepdim=True))


def test_no_modality_is_an_error() -> None:
    weights = WEIGHTS.clone()
    weights[1] = 0
    with pytest.raises(ValueError, match='no modality'):
        network()(inputs(), weights)


def test_training_draws_and_inference_does_not() -> None:
    net, x = network(), inputs()
    torch.testing.assert_close(net(x, WEIGHTS), net(x, WEIGHTS, sample=False), rtol=0, atol=0)
    net.train()
    drawn = net(x, WEIGHTS, generator=torch.Generator().manual_seed(6))
    torch.testing.assert_close(
        drawn, net(x, WEIGHTS, sample=True, generator=torch.Generator().manual_seed(6)),
        rtol=0, atol=0)
    assert not torch.equal(
        drawn, net(x, WEIGHTS, generator=torch.Generator().manual_seed(7)))
