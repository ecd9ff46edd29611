"""The fusion of the starter bundle: CrossmodalEmbraceNet, taught on compositions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmer_ros.networks.fusion import FusionConfig
from mmer_ros.networks.fusion_families import CrossmodalEmbraceNet
from mmer_ros.networks.late_fusion import LateFusion
from mmer_ros.types import MODALITIES, Modality
from pydantic import Field, PositiveFloat
import torch
from torch import nn, Tensor
from training.engine.config import Settings
from training.engine.fit import Batch, EngineConfig, fit, StepOutput, Task
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.fusion.pseudo_pairs import CompositionConfig, CompositionData, Drawn, Teacher
from training.fusion.stage import collate_features, FusionItem
from training.fusion.unimodal_examples import Library


class StarterFusion(Settings):
    """
    Recipe of the fusion.

    :param trust: relative weights of text, audio and face in EmbraceNet.
    :param feature_noise: Gaussian noise on the features in training, in units of their standard
        deviation.
    :param dev_count: compositions that are scored after each epoch.
    :param scored: held-out compositions of each subset that temperatures and figures are of.
    """

    fusion: FusionConfig = FusionConfig(width=128, heads=4, pooling='summary')
    compositions: CompositionConfig = CompositionConfig()
    trust: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (1.0, 1.0, 1.0)
    feature_noise: float = Field(0.1, ge=0)
    dev_count: int = Field(2_800, ge=7)
    scored: int = Field(2_100, ge=70)
    engine: EngineConfig = EngineConfig()


class TaughtFusion(nn.Module):
    """A fusion network whose loss is the cross-entropy with the teacher's distributions."""

    trust: Tensor

    def __init__(self, network: CrossmodalEmbraceNet, trust: Sequence[float], noise: float
                 ) -> None:
        super().__init__()
        self.network, self.noise = network, noise
        self.register_buffer('trust', torch.tensor(trust), persistent=False)

    def forward(self, batch: Batch) -> StepOutput:
        """
        Return loss and logits of a batch.

        EmbraceNet gives its expectation in training, too: the answer to be learnt is a
        distribution, to which its draws would only add noise.
        """
        features = batch['features']
        if self.training and self.noise:
            features = {m: (_noisy(x, self.noise), mask) for m, (x, mask) in features.items()}
        output = self.network(features, self.trust, sample=False)
        log_p = torch.log_softmax(output.logits, dim=1)
        return StepOutput(-(batch['targets'] * log_p).sum(dim=1).mean(), output.logits, {})


def _noisy(x: Tensor, level: float) -> Tensor:
    return x + level * x.std() * torch.randn_like(x)


class StarterTask(Task):
    """Parts of several modalities with the teacher's answers; held-out ones for the scores."""

    def __init__(self, module: TaughtFusion, learned: Drawn, tried: Drawn,
                 widths: Mapping[Modality, int]) -> None:
        """Take the data."""
        self.module, self.widths = module, widths
        self.train_data, self.train_sizes = learned, learned.sizes
        self.dev_data, self.dev_sizes = tried, tried.sizes

    def collate(self, items: Sequence[FusionItem]) -> Batch:
        """Pad the features."""
        return collate_features(items, self.widths)


@dataclass(frozen=True)
class Own:
    """
    The encoders' own classifiers, for a fusion that adds what they say.

    :param begin: sets gates, weights and offsets to begin with.
    """

    classifiers: Mapping[Modality, nn.Module]
    begin: Callable[[LateFusion], None]


def teach_fusion(recipe: StarterFusion, learned: Library, tried: Library, teacher: Teacher,
                 own: Own, folder: Path, reporter: Reporter) -> CrossmodalEmbraceNet:
    """
    Train, or go on training, the fusion.

    :param learned: parts that compositions for training are made of.
    :param tried: held-out parts, whose labels score it after each epoch.
    :param own: what it adds to, if the recipe says so.
    :return: the network with its best weights, ready for inference.
    """
    return teach(
        recipe,
        CompositionData(learned, recipe.compositions, teacher, training=True,
                        count=recipe.compositions.count),
        CompositionData(tried, recipe.compositions, None, training=False,
                        count=recipe.dev_count), learned.widths, folder, reporter, own)


def teach(recipe: StarterFusion, learned: Drawn, tried: Drawn, widths: Mapping[Modality, int],
          folder: Path, reporter: Reporter, own: Own | None = None) -> CrossmodalEmbraceNet:
    """
    Train, or go on training, a fusion on any items.

    :param widths: of the features of each modality that occurs.
    """
    run = RunFolder.take_up(folder, recipe)
    torch.manual_seed(recipe.engine.seed)
    network = CrossmodalEmbraceNet(dict.fromkeys(MODALITIES, 1) | dict(widths), recipe.fusion,
                                   own.classifiers if own else None)
    if own is not None and network.late_fusion is not None:
        own.begin(network.late_fusion)
    module = TaughtFusion(network, recipe.trust, recipe.feature_noise)
    fit(StarterTask(module, learned, tried, widths), recipe.engine, run, reporter)
    return network.eval()
