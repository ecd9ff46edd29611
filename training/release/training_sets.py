# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Training sets of the fusion: sentences, voices and faces, augmented, and out-of-domain clips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from mmer_ros.networks.batching import as_float
from mmer_ros.types import Int16, Modality, SAMPLE_RATE, UInt8
import numpy as np
from pydantic import Field
from training.augment.asr_errors import AsrSimulator
from training.augment.faces import augmented, FacesConfig
from training.augment.noise_conditions import in_noise, NOISES, others_of, to_int16
from training.augment.out_of_domain import OutOfDomainClips
from training.augment.speech import degraded, speech_span, SpeechConfig
from training.augment.views import (
    AugmentedViews,
    ChangeAudio,
    CUT,
    MARGIN_S,
    NOISY,
    views_cut_to_speech,
)
from training.corpora.clips import Clips, ClipsWrapper, every_nth, TextOnly
from training.corpora.examples import DEV, Example, LOUDER, split_view_key, TEST, TRAIN, VIEW
from training.corpora.fer import crop_of, Stills
from training.engine.config import Settings
from training.engine.sampling import keyed_generator
from training.release.build_fusion import TrainingSets


class TrainingSetsConfig(Settings):
    """
    Sizes of the training sets.

    :param turns: utterances of MELD; each is used as written and as a simulated transcript.
    :param sentences: of GoEmotions for each emotion, used in the same two ways.
    :param word_error_rate: largest one of the transcripts.
    :param voice_views: augmented views of each clip of RAVDESS, beside itself.
    :param noise_db: signal-to-noise ratios for each kind of noise.
    :param noise_every: each n-th training clip is used at such a ratio, and all held-out ones.
    :param pictures: of FER2013 for each emotion; each makes two sequences of augmented views. A
        third as many of the held-out ones are used the same way.
    :param longest: images of a sequence.
    :param out_of_domain: clips of each modality.
    """

    turns: int = Field(4_000, ge=1)
    sentences: int = Field(400, ge=0)
    word_error_rate: float = Field(0.3, ge=0, le=1)
    voice_views: int = Field(1, ge=0, lt=NOISY)
    noise_db: tuple[float, ...] = Field((16.0, 8.0, 2.0), max_length=8)
    noise_every: int = Field(3, ge=1)
    pictures: int = Field(700, ge=1)
    longest: int = Field(8, ge=1)
    out_of_domain: int = Field(240, ge=0)
    seed: int = 0


def text_sets(meld: Sequence[Example], extra: Sequence[Example], config: TrainingSetsConfig
              ) -> TrainingSets:
    """
    Return dialogues of MELD with their history, and single sentences of GoEmotions.

    :param meld: train and dev.
    :param extra: train, of which those with one label are used.
    """
    random = np.random.default_rng(config.seed)
    train = [e for e in meld if e.split == TRAIN]
    chosen = {e.key for e in _sample(train, config.turns, random)}
    single = [replace(e, group=e.key) for e in balanced_sample(
        [e for e in extra if e.split == TRAIN and len(e.labels) == 1], config.sentences, random)]
    # Turns that are not chosen stay as history of others.
    used = [*(e if e.key in chosen else replace(e, split=TEST) for e in train), *single]
    held_out = [e for e in meld if e.split == DEV]
    transcripts = _transcripts([*used, *held_out], AsrSimulator(e.text for e in train), config)
    return TrainingSets(
        [TextOnly(used), TextOnly(transcripts),
         OutOfDomainClips(Modality.TEXT, config.out_of_domain)], TextOnly(held_out))


def _transcripts(examples: Sequence[Example], recogniser: AsrSimulator,
                 config: TrainingSetsConfig) -> list[Example]:
    found = []
    for e in examples:
        random = keyed_generator(f'{config.seed}/{e.key}')
        rate = random.random() * config.word_error_rate
        found.append(replace(e, key=f'{e.key}{VIEW}1', group=f'{e.group}{VIEW}1',
                             text=recogniser.transcribe(e.text, rate, random)))
    return found


def voice_sets(clips: Clips, config: TrainingSetsConfig, speech: SpeechConfig) -> TrainingSets:
    """
    Return clips of RAVDESS unchanged, cut to the speech, augmented, in noise, and louder.

    Whole clips and cut ones are conditions of their own, for the encoder is less confident, though
    more accurate, with the silence around the speech; temperatures are fitted on both.

    :param speech: augmentation.
    """
    numbers = range(1, config.voice_views + 1)
    views = AugmentedViews(clips, {TRAIN: numbers, DEV: numbers},
                           audio=speech_change(clips, speech), digest=speech.model_dump_json())
    louder = AugmentedViews(clips, {TRAIN: (LOUDER,)}, digest='louder',
                            audio=speech_change(clips, SpeechConfig(level=1.0)))
    whole = AugmentedViews(clips, {TRAIN: (0,), DEV: (0,)})
    cut = views_cut_to_speech(clips, {TRAIN: (CUT,), DEV: (CUT,)})
    return TrainingSets(
        [whole, cut, views, *_noisy(clips, config), louder,
         OutOfDomainClips(Modality.AUDIO, config.out_of_domain)],
        AugmentedViews(clips, {DEV: (0,)}),
        calibration=views_cut_to_speech(clips, {DEV: (0, CUT)}))


def _noisy(clips: Clips, config: TrainingSetsConfig) -> list[Clips]:
    """Return a set for each kind of noise and ratio."""
    conditions = [(kind, ratio) for kind in NOISES for ratio in config.noise_db]
    found: list[Clips] = []
    for number, (kind, ratio) in enumerate(conditions):
        some = every_nth(clips, TRAIN, config.noise_every, number % config.noise_every)
        views = (NOISY + number,)
        found.append(AugmentedViews(some, {TRAIN: views, DEV: views},
                                    audio=in_noise(kind, ratio, others_of(clips)),
                                    digest=f'{kind} {ratio}, cut'))
    return found


def speech_change(clips: Clips, config: SpeechConfig) -> ChangeAudio:
    """
    Return a change that augments the speech of a clip and cuts off most of the silence.

    :param clips: of which others are used for babble.
    """
    others = others_of(clips)

    def change(samples: Int16, random: np.random.Generator) -> Int16:
        whole = as_float(samples)
        begin, end = speech_span(whole)
        before, after = (round(random.uniform(0, MARGIN_S) * SAMPLE_RATE) for _ in range(2))
        return to_int16(degraded(whole[max(0, begin - before):end + after], config, random,
                                 others))

    return change


def face_sets(stills: Stills, augment: FacesConfig, config: TrainingSetsConfig) -> TrainingSets:
    """Return sequences of augmented views of pictures of FER2013; held-out ones are unchanged."""
    random = np.random.default_rng(config.seed)
    chosen = balanced_sample([e for e in stills.examples if e.split == TRAIN], config.pictures,
                             random)
    crops = [crop_of(stills.grey(e.key)) for e in chosen[:64]]
    held_out = balanced_sample([e for e in stills.examples if e.split == DEV],
                               max(1, config.pictures // 3), random)
    return TrainingSets(
        [FaceSequences(stills, [*chosen, *held_out], augment, config.longest),
         OutOfDomainClips(Modality.FACE, config.out_of_domain, crops)],
        AugmentedViews(stills, {DEV: (0,)}))


class FaceSequences(ClipsWrapper):
    """Two sequences of augmented views of each picture, of one step or several."""

    def __init__(self, stills: Stills, examples: Sequence[Example], augment: FacesConfig,
                 longest: int) -> None:
        super().__init__(stills, [replace(e, key=f'{e.key}{VIEW}{n}')
                                  for e in examples for n in (1, 2)],
                         f'{augment.model_dump_json()} {longest}')
        self._augment, self._longest = augment, longest

    def faces(self, key: str) -> UInt8:
        random = keyed_generator(key)
        picture = self._clips.grey(split_view_key(key)[0])
        count = 1 if random.random() < 0.4 else int(random.integers(1, self._longest + 1))
        return np.stack([crop_of(augmented(picture, self._augment, random))
                         for _ in range(count)])


def balanced_sample(examples: Sequence[Example], each: int, random: np.random.Generator
                    ) -> list[Example]:
    """Return up to `each` examples of each emotion, in their order."""
    groups: dict[int, list[Example]] = defaultdict(list)
    for example in examples:
        groups[example.labels[0]].append(example)
    kept = {e.key for group in groups.values() for e in _sample(group, each, random)}
    return [e for e in examples if e.key in kept]


def _sample(examples: Sequence[Example], count: int, random: np.random.Generator
            ) -> list[Example]:
    rows = np.sort(random.permutation(len(examples))[:count])
    return [examples[i] for i in rows]


def held_out_groups(sets: TrainingSets, name: Callable[[Example], str]) -> dict[str, str]:
    """Return the group of each held-out example by the key of its clip, for `fusion_figures`."""
    return {split_view_key(e.key)[0]: name(e) for e in sets.held_out.examples}
