# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Format of a cache of prepared clips: its files and their JSON records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Literal

from mmer_ros.sensing.face_detector import FaceConfig
from mmer_ros.types import EMOTIONS
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from training.corpora.corpus import emotion_index, Problem
from training.corpora.examples import Example, SPLITS
from training.engine.config import Settings
from training.engine.files import fingerprint, sha256_of

FORMAT = 1
INFO, EXAMPLES, PROBLEMS, SHARDS = 'cache.json', 'examples.jsonl', 'problems.jsonl', 'shards'


class PrepareConfig(Settings):
    """
    How clips become inputs of the encoders.

    :param faces: face detection, with the settings of the robot.
    :param max_images: faces per utterance; longer sequences are sampled evenly (50 in the paper).
    :param spread_images: look for faces in `max_images` frames of each clip, spread over its
        length, as the paper does; otherwise in `faces.rate_hz` frames a second, as the robot does.
    :param image_format: JPEG, or lossless PNG in four times the space.
    :param shard_size: examples per shard; a killed run loses at most one shard per job.
    """

    faces: FaceConfig = FaceConfig()
    max_images: int = Field(50, ge=2)
    spread_images: bool = False
    image_format: Literal['jpeg', 'png'] = 'jpeg'
    jpeg_quality: int = Field(95, ge=1, le=100)
    shard_size: int = Field(64, ge=1, le=4096)


class _Record(BaseModel):

    model_config = ConfigDict(frozen=True, extra='forbid')


class CacheInfo(_Record):
    """
    cache.json: what the cache was made from.

    :param source: fingerprint of the keys and of names and sizes of the media files.
    """

    format: int = FORMAT  # noqa: A003
    text_only: bool
    preprocessing: PrepareConfig
    source: str
    shards: tuple[str, ...]


class ShardRow(_Record):
    """
    Content of one example in a shard.

    :param audio_samples: at 16 kHz; 0 without audio.
    :param faces: number of crops.
    """

    key: str
    audio_samples: int
    faces: int
    problems: tuple[Problem, ...] = ()


class ShardRecord(_Record):
    """
    shards/NAME.json, written when the shard is complete.

    :param fingerprint: of its examples and settings.
    :param sha256: of shards/NAME.safetensors.
    """

    fingerprint: str
    sha256: str
    rows: tuple[ShardRow, ...]


class ExampleRow(_Record):
    """
    A line of examples.jsonl.

    :param shard: name of the shard with its audio and faces; '' without them.
    :param row: index within the shard.
    """

    key: str
    split: str
    text: str
    labels: tuple[str, ...]
    speaker: str
    group: str
    turn: int
    shard: str = ''
    row: int = 0
    audio_samples: int = 0
    faces: int = 0
    soft: tuple[float, ...] = ()
    weight: float = 1.0
    fold: int | None = None

    @classmethod
    def from_example(cls, example: Example, shard: str = '', row: int = 0,
                     found: ShardRow | None = None) -> ExampleRow:
        """Return the line of an example and its content in a shard."""
        return cls(
            key=example.key, split=example.split, text=example.text,
            labels=tuple(EMOTIONS[i] for i in example.labels), speaker=example.speaker,
            group=example.group, turn=example.turn, shard=shard, row=row,
            audio_samples=found.audio_samples if found else 0, faces=found.faces if found else 0,
            soft=example.soft, weight=example.weight, fold=example.fold)

    def example(self) -> Example:
        """Return the example without its files."""
        return Example(self.key, self.split, self.text, tuple(map(emotion_index, self.labels)),
                       self.speaker, self.group, self.turn, soft=self.soft,
                       weight=self.weight, fold=self.fold)


@dataclass(frozen=True)
class ShardPlan:
    """
    A shard to be made.

    :param name: split and number, e.g. 'train-00000'.
    :param fingerprint: of the examples, their files and the preprocessing.
    """

    name: str
    examples: tuple[Example, ...]
    fingerprint: str

    def file(self, cache: Path) -> Path:
        """Return the path of its audio and faces."""
        return shard_file(cache, self.name)

    def record(self, cache: Path) -> ShardRecord | None:
        """Return its record, or None if it is incomplete or was made from something else."""
        try:
            text = record_file(cache, self.name).read_text(encoding='utf-8')
            record = ShardRecord.model_validate_json(text)
        except (OSError, ValidationError, UnicodeDecodeError):
            return None
        return record if record.fingerprint == self.fingerprint else None

    def is_done(self, cache: Path) -> bool:
        """Return whether it is complete and undamaged."""
        record = self.record(cache)
        try:
            return record is not None and sha256_of(self.file(cache)) == record.sha256
        except OSError:
            return False


def shard_file(cache: Path, name: str) -> Path:
    """Return the path of a shard's audio and faces."""
    return cache / SHARDS / f'{name}.safetensors'


def record_file(cache: Path, name: str) -> Path:
    """Return the path of a shard's record."""
    return cache / SHARDS / f'{name}.json'


def plan_shards(examples: Sequence[Example], config: PrepareConfig) -> list[ShardPlan]:
    """Distribute examples over shards, split by split, in their order."""
    size = config.shard_size
    plans = []
    for split in SPLITS:
        chosen = [example for example in examples if example.split == split]
        for number, start in enumerate(range(0, len(chosen), size)):
            part = tuple(chosen[start:start + size])
            plans.append(ShardPlan(f'{split}-{number:05d}', part, _fingerprint(part, config)))
    return plans


def fingerprint_json(facts: object) -> str:
    """Return the fingerprint of plain values."""
    return fingerprint(json.dumps(facts, sort_keys=True), digits=64)


def _fingerprint(examples: Sequence[Example], config: PrepareConfig) -> str:
    facts = [[example.key, *(_identity(path) for path in (
        example.audio, example.video, *example.faces))] for example in examples]
    # Caches that were made before there was a choice stay valid.
    left_out = None if config.spread_images else {'spread_images'}
    return fingerprint_json([FORMAT, config.model_dump(mode='json', exclude=left_out), facts])


def _identity(path: Path | None) -> list[object] | None:
    """Return name and size of a file, which stay when a corpus is copied."""
    if path is None:
        return None
    try:
        return [path.name, path.stat().st_size]
    except OSError:
        return [path.name, -1]
