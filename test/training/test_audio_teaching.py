"""Audio encoders that are taught by others, and several that become one."""

from __future__ import annotations

from pathlib import Path
import shutil
from typing import Any

from mmer_ros.audio_encoder import AudioEncoder
from mmer_ros.types import EMOTIONS
import numpy as np
import pytest
from rich.console import Console
import torch
from training.audio import (
    AudioConfig,
    AudioModule,
    RegularisationConfig,
    TeachingConfig,
    train_audio,
)
from training.audio_data import AudioData, AudioDataConfig
from training.augment.speech import SpeechConfig
from training.engine.fit import EngineConfig
from training.engine.losses import EmotionLoss, LossConfig
from training.engine.progress import Reporter
from training.engine.sampling import Draw
from training.preparation.clip_cache import ClipCache

from .test_audio_data import OneClip
from ..model_fixtures import TINY_AUDIO

NOISY = SpeechConfig(gain_db=0, speed=0.1, noise=1, noise_db=0)


class Heard(EmotionLoss):
    """Keeps the targets that it is given."""

    targets: torch.Tensor

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.targets = targets
        return super().forward(logits, targets)


@pytest.mark.parametrize('epoch', [0, 2], ids=['first epochs', 'later ones'])
def test_a_teacher_hears_the_sound_before_it_is_worsened(epoch: int) -> None:
    """Both ways of hearing are of one length; what is learnt from does not depend on it."""
    clips: Any = OneClip()
    settings = AudioDataConfig(plain_epochs=1, speech=NOISY)
    pairs, alone = (AudioData(clips, settings, clips.examples, True, pairs=pairs)
                    for pairs in (True, False))
    for seed in range(5):
        heard = pairs[Draw(0, epoch, seed)].values
        torch.testing.assert_close(heard[:, 0], alone[Draw(0, epoch, seed)].values)
        noise = (heard[:, 0] - heard[:, 1]).numpy()
        assert (np.std(noise) > 1e-3) == (epoch == 2)
        assert heard[:, 1].abs().max() < 0.35  # the tone alone
    tried = AudioData(clips, settings, clips.examples, False, pairs=True)
    assert tried[Draw(0, 0, 0)].values.dim() == 1


@pytest.mark.parametrize('share', [0.0, 0.6, 1.0])
def test_the_answer_of_the_teacher_goes_into_the_targets(share: float) -> None:
    """The teacher is asked for the second column, and is no part of the module."""
    torch.manual_seed(0)
    teacher = AudioEncoder(TINY_AUDIO, 7).requires_grad_(False)
    loss = Heard(LossConfig(), [1.0] * 7)
    module = AudioModule(AudioEncoder(TINY_AUDIO, 7), RegularisationConfig(), loss,
                         teacher=teacher, share=share)
    values, lengths = torch.randn(2, 3_000, 2) / 4, torch.tensor([3_000, 2_000])
    labels = torch.eye(len(EMOTIONS))[:2]
    module.train()({'values': values, 'lengths': lengths, 'targets': labels}).loss.backward()
    alone = AudioModule(teacher, RegularisationConfig(), EmotionLoss(LossConfig(), [1.0] * 7))
    said = alone.eval()({'values': values[..., 1], 'lengths': lengths, 'targets': labels}).logits
    torch.testing.assert_close(loss.targets, (1 - share) * labels + share * said.softmax(dim=1))
    assert not any(teacher is part for part in module.modules())


def test_members_and_their_teachers_are_trained_in_turn(whole: Path, tmp_path: Path) -> None:
    """The run ends with one network of twice the width, and goes on where it was stopped."""
    config = AudioConfig(
        members=2, model=TINY_AUDIO, data=AudioDataConfig(plain_epochs=1, speech=NOISY),
        teaching=TeachingConfig(members=2, share=0.5, label_smoothing=0.2),
        engine=EngineConfig(epochs=2, batch_size=4, keep='last'))
    reporter = Reporter('audio', Console(quiet=True))
    cache = ClipCache(whole)
    trained = train_audio(config, cache, tmp_path / 'run', reporter)
    assert trained.encoder.width == 2 * TINY_AUDIO.n_rnn == trained.config.n_rnn
    runs = sorted(str(p.parent.relative_to(tmp_path / 'run'))
                  for p in (tmp_path / 'run').rglob('finished.json'))
    assert runs == ['members/0', 'members/1', 'teachers/members/0', 'teachers/members/1']
    weights = trained.encoder.state_dict()
    done = [(tmp_path / 'run' / run / 'metrics.jsonl').stat().st_mtime_ns for run in runs]
    (tmp_path / 'run' / 'encoder' / 'encoder.json').unlink()
    again = train_audio(config, cache, tmp_path / 'run', reporter)
    assert all(torch.equal(weights[k], v) for k, v in again.encoder.state_dict().items())
    assert done == [(tmp_path / 'run' / run / 'metrics.jsonl').stat().st_mtime_ns for run in runs]
    (tmp_path / 'run' / 'members' / '1' / 'finished.json').unlink()
    *_, last = sorted((tmp_path / 'run' / 'members' / '1' / 'checkpoints').iterdir())
    shutil.rmtree(last)
    resumed = train_audio(config, cache, tmp_path / 'run', reporter)
    assert all(torch.equal(weights[k], v) for k, v in resumed.encoder.state_dict().items())
    halves = [TINY_AUDIO.n_rnn * n for n in (1, 2)]
    features, _ = trained.encoder.eval()(torch.randn(1, 2_000) / 4, torch.tensor([2_000]))
    assert not torch.allclose(features[..., :halves[0]], features[..., halves[0]:], atol=1e-3)
