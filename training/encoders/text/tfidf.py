# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""TF-IDF features of sentences, for the baseline and the linear teacher."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion

ITERATIONS = 2000  # of the solver, at most; small corpora need many


def tfidf_features(word: str, *, least_words: int, least_characters: int, dtype: Any = np.float64
                   ) -> FeatureUnion:
    """
    Return TF-IDF of words (1-2) and of characters within words (2-5), with logarithmic counts.

    :param word: pattern of a word or a punctuation mark.
    :param least_words, least_characters: texts in which a word, or a character sequence, occurs.
    """
    options = {'sublinear_tf': True, 'dtype': dtype}
    return FeatureUnion([
        ('words', TfidfVectorizer(ngram_range=(1, 2), token_pattern=word, min_df=least_words,
                                  **options)),
        ('characters', TfidfVectorizer(analyzer='char_wb', ngram_range=(2, 5),
                                       min_df=least_characters, **options))])
