# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Corpora of the starter bundle, with or without held-out data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from training.corpora.clips import with_dev_in_train
from training.corpora.corpus import Corpus
from training.corpora.examples import DEV, Example, TRAIN
from training.corpora.fer import Stills
from training.preparation.clip_cache import ClipCache

SEEN = ' (seen)'


@dataclass(frozen=True)
class Sources:
    """
    Training data (split train) and held-out data (split dev).

    :param meld: utterances with dialogue and turn.
    :param clips: voices of RAVDESS.
    :param stills: faces of FER2013.
    """

    meld: Sequence[Example]
    goemotions: Corpus
    clips: ClipCache
    stills: Stills

    def with_dev_in_train(self) -> Sources:
        """
        Return all data as training data.

        Held-out data also stay in dev, for the training loops need some, but scores on it mean
        nothing. There the dialogues of MELD get other names, or each would have its turns twice.
        """
        train = [replace(e, split=TRAIN) for e in self.meld if e.split in (TRAIN, DEV)]
        dev = [replace(e, key=e.key + SEEN, group=e.group + SEEN)
               for e in self.meld if e.split == DEV]
        return Sources(train + dev, self.goemotions, with_dev_in_train(self.clips),
                       with_dev_in_train(self.stills))
