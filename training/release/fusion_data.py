"""What compositions are made of: sentences, voices and faces of the corpora, and of nobody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mmer_ros.networks.batching import as_float
from mmer_ros.types import Int16, Modality, SAMPLE_RATE, UInt8
import numpy as np
from pydantic import Field
from training.augment.asr_errors import Recogniser
from training.augment.faces import changed, FacesConfig
from training.augment.noise_conditions import in_noise, NOISES, others_of
from training.augment.speech import speech_span, SpeechConfig, worsened
from training.augment.views import (
    ChangeSound,
    CUT,
    cut_to_speech,
    Every,
    MARGIN_S,
    Nobody,
    NOISY,
    random_of,
    Views,
)
from training.corpora.clips import Clips, TextOnly
from training.corpora.examples import DEV, Example, LOUDER, split_view_key, TRAIN
from training.corpora.fer import crop_of, Stills
from training.engine.config import Settings
from training.release.build import Material


class MaterialConfig(Settings):
    """
    How much of each corpus the compositions are made of.

    :param turns: utterances of MELD, at most; all of them are used twice, as written and as a
        speech recogniser hears them.
    :param sentences: of GoEmotions for each emotion, likewise.
    :param word_error_rate: at most, of what is heard.
    :param voice_views: changed versions of each clip of RAVDESS, beside itself.
    :param noise_db: signal-to-noise ratios at which voices are heard in each kind of noise.
    :param noise_every: of the clips, each n-th is heard at such a ratio; of those held out all.
    :param pictures: of FER2013 for each emotion; each becomes two sequences of changed views. Of
        those held out at most a third as many are changed likewise.
    :param longest: images of a sequence.
    :param nobody: clips without a person, for each modality.
    """

    turns: int = Field(4_000, ge=1)
    sentences: int = Field(400, ge=0)
    word_error_rate: float = Field(0.3, ge=0, le=1)
    voice_views: int = Field(1, ge=0, lt=NOISY)
    noise_db: tuple[float, ...] = Field((16.0, 8.0, 2.0), max_length=8)
    noise_every: int = Field(3, ge=1)
    pictures: int = Field(700, ge=1)
    longest: int = Field(8, ge=1)
    nobody: int = Field(240, ge=0)
    seed: int = 0


def text_material(meld: Sequence[Example], extra: Sequence[Example], config: MaterialConfig
                  ) -> Material:
    """
    Return dialogues of MELD with their history, and single sentences of GoEmotions.

    :param meld: train and dev; `extra`: train, of which those with one label are used.
    """
    random = np.random.default_rng(config.seed)
    learned = [e for e in meld if e.split == TRAIN]
    chosen = _some(learned, config.turns, random)
    alone = [replace(e, group=e.key) for e in few(
        [e for e in extra if e.split == TRAIN and len(e.labels) == 1], config.sentences, random)]
    recogniser = Recogniser(e.text for e in learned)
    asked, held_out = [*_asked(learned, chosen), *alone], [e for e in meld if e.split == DEV]
    sets: list[Clips] = [TextOnly(asked),
                         TextOnly(_heard([*asked, *held_out], recogniser, config))]
    return Material([*sets, Nobody(Modality.TEXT, config.nobody)], TextOnly(held_out))


def _asked(all_turns: Sequence[Example], chosen: Sequence[Example]) -> list[Example]:
    """Return all turns, since they are the history of others; those not chosen as 'test'."""
    keys = {e.key for e in chosen}
    return [e if e.key in keys else replace(e, split='test') for e in all_turns]


def _heard(examples: Sequence[Example], recogniser: Recogniser, config: MaterialConfig
           ) -> list[Example]:
    found = []
    for e in examples:
        random = random_of(f'{config.seed}/{e.key}')
        rate = random.random() * config.word_error_rate
        found.append(replace(e, key=f'{e.key}#1', group=f'{e.group}#1',
                             text=recogniser.hear(e.text, rate, random)))
    return found


def voice_material(clips: Clips, config: MaterialConfig, speech: SpeechConfig) -> Material:
    """
    Return clips of RAVDESS as they are, cut to the speech, changed, in noise, and louder.

    Calibrated on are the held-out ones as they are and cut, as voice activity leaves them; of
    whole clips, with the silence around the speech, the encoder is less sure, though more often
    right, so that each has an expert of its own.

    :param speech: what a robot's microphone and room do to sound.
    """
    numbers = range(1, config.voice_views + 1)
    changed = Views(clips, {TRAIN: numbers, DEV: numbers}, sound=speech_change(clips, speech),
                    digest=speech.model_dump_json())
    louder = Views(clips, {TRAIN: (LOUDER,)}, digest='louder',
                   sound=speech_change(clips, SpeechConfig(level=1.0)))
    whole = Views(clips, {TRAIN: (0,), DEV: (0,)})
    cut = cut_to_speech(clips, {TRAIN: (CUT,), DEV: (CUT,)})
    both = cut_to_speech(clips, {DEV: (0, CUT)})
    return Material([whole, cut, changed, *_noisy(clips, config), louder,
                     Nobody(Modality.AUDIO, config.nobody)],
                    Views(clips, {DEV: (0,)}), calibration=both)


def _noisy(clips: Clips, config: MaterialConfig) -> list[Clips]:
    """Return a set of clips for each kind of noise and each ratio, so that each is a condition."""
    conditions = [(kind, ratio) for kind in NOISES for ratio in config.noise_db]
    found: list[Clips] = []
    for number, (kind, ratio) in enumerate(conditions):
        few: Any = Every(clips, TRAIN, config.noise_every, number % config.noise_every)
        views = (NOISY + number,)
        found.append(Views(few, {TRAIN: views, DEV: views}, digest=f'{kind} {ratio}, cut',
                           sound=in_noise(kind, ratio, others_of(clips))))
    return found


def speech_change(clips: Clips, config: SpeechConfig) -> ChangeSound:
    """
    Return what makes of a clip what a robot hears of it; others of the clips babble.

    As on the robot, little more than the speech is kept: voice activity cuts the rest off.
    """
    others = others_of(clips)

    def change(samples: Int16, random: np.random.Generator) -> Int16:
        whole = as_float(samples)
        begin, end = speech_span(whole)
        before, after = (round(random.uniform(0, MARGIN_S) * SAMPLE_RATE) for _ in range(2))
        heard = worsened(whole[max(0, begin - before):end + after], config, random, others)
        result: Int16 = np.round(heard * 32_767).astype(np.int16)
        return result

    return change


def face_material(stills: Stills, augment: FacesConfig, config: MaterialConfig) -> Material:
    """Return sequences of changed views of pictures of FER2013; held out are they themselves."""
    random = np.random.default_rng(config.seed)
    chosen = few([e for e in stills.examples if e.split == TRAIN], config.pictures, random)
    crops = [crop_of(stills.grey(e.key)) for e in chosen[:64]]
    strangers = few([e for e in stills.examples if e.split == DEV],
                    max(1, config.pictures // 3), random)
    return Material([FaceSequences(stills, [*chosen, *strangers], augment, config.longest),
                     Nobody(Modality.FACE, config.nobody, crops)], Views(stills, {DEV: (0,)}))


class FaceSequences:
    """Two sequences of each picture: it may be there once, or change while it is looked at."""

    def __init__(self, stills: Stills, examples: Sequence[Example], augment: FacesConfig,
                 longest: int) -> None:
        """Take the pictures."""
        self._stills, self._augment, self._longest = stills, augment, longest
        self.digest = f'{stills.digest} {augment.model_dump_json()} {longest}'
        self.examples = [replace(e, key=f'{e.key}#{n}') for e in examples for n in (1, 2)]

    def audio(self, key: str) -> None:
        """Return nothing."""

    def faces(self, key: str) -> UInt8:
        """Return changed views of a picture, (n, 160, 160, 3)."""
        random = random_of(key)
        picture = self._stills.grey(split_view_key(key)[0])
        count = 1 if random.random() < 0.4 else int(random.integers(1, self._longest + 1))
        return np.stack([crop_of(changed(picture, self._augment, random)) for _ in range(count)])


def few(examples: Sequence[Example], each: int, random: np.random.Generator) -> list[Example]:
    """Return at most so many examples of each emotion, in their order."""
    groups: dict[int, list[Example]] = defaultdict(list)
    for example in examples:
        groups[example.labels[0]].append(example)
    kept = {e.key for group in groups.values() for e in _some(group, each, random)}
    return [e for e in examples if e.key in kept]


def _some(examples: Sequence[Example], count: int, random: np.random.Generator) -> list[Example]:
    rows = np.sort(random.permutation(len(examples))[:count])
    return [examples[i] for i in rows]


Whose = Callable[[Example], str]


def whose(material: Material, name: Whose) -> dict[str, str]:
    """Return whose each held-out example is, by the key of its clip, as `build.figures` asks."""
    return {split_view_key(e.key)[0]: name(e) for e in material.held_out.examples}
