# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The published corpora that have a preset."""

from __future__ import annotations

from mmer_ros.types import EMOTIONS
from training.corpora.corpus import SYNONYMS
from training.corpora.presets.acted import (
    read_cremad,
    read_emogator,
    read_nemo,
    read_ravdess_films,
    read_urdu,
)
from training.corpora.presets.dialogues import read_emorynlp, read_iemocap, read_m3ed
from training.corpora.presets.mosei import FOLDS, read_mosei
from training.corpora.presets.rows import Preset

_WORDS = {**{emotion: emotion for emotion in EMOTIONS}, **SYNONYMS}
_CODES = {'neu': 'neutral', 'hap': 'joy', 'sad': 'sadness', 'ang': 'anger', 'fea': 'fear',
          'dis': 'disgust'}

PRESETS = {
    'iemocap': Preset(
        'IEMOCAP (Busso et al. 2008)', 'by agreement with USC SAIL, research only',
        'Session1 .. Session5 with dialog/EmoEvaluation, dialog/transcriptions, sentences/wav',
        {**_CODES, 'exc': 'joy', 'sur': 'surprise'}, 5, read_iemocap),
    'cremad': Preset(
        'CREMA-D (Cao et al. 2014)', 'ODbL 1.0 / DbCL 1.0',
        'AudioWAV/1001_DFA_ANG_XX.wav, VideoFlash/*.flv if there, '
        'processedResults/tabulatedVotes.csv', _CODES, 5, read_cremad),
    'ravdess': Preset(
        'RAVDESS (Livingstone and Russo 2018)', 'CC BY-NC-SA 4.0',
        'Actor_01/01-01-EE-II-SS-RR-AA.mp4 or 03-01-*.wav', {**_WORDS, 'calm': 'neutral'}, 5,
        read_ravdess_films),
    'mosei': Preset(
        'CMU-MOSEI (Zadeh et al. 2018)', 'research only, by agreement with CMU',
        'Raw/Labels/*.csv, Raw/Transcript/Segmented/Combined/*.txt and '
        'Raw/Videos/Segmented/Combined/*.mp4', _WORDS, FOLDS, read_mosei),
    'emorynlp': Preset(
        'EmoryNLP (Zahiri and Choi 2018)', 'Apache-2.0', 'emotion-detection-{trn,dev,tst}.json',
        _WORDS, 0, read_emorynlp),
    'm3ed': Preset(
        'M3ED (Zhao et al. 2022)', 'research only, by agreement with RUC',
        'the annotation as JSON, splitInfo/movie_list_*.txt and clips SPEAKER_UTTERANCE.wav',
        _WORDS, 0, read_m3ed),
    'nemo': Preset(
        'nEMO (Christop 2024)', 'CC BY-NC-SA 4.0', 'SPEAKER_emotion_N.wav', _WORDS, 9, read_nemo),
    'emogator': Preset(
        'EmoGator (Buhl 2023)', 'Apache-2.0', 'SPEAKER-CC-I.mp3',
        {'amusement': 'joy', 'elation': 'joy', 'ecstasy': 'joy', 'anger': 'anger',
         'disgust': 'disgust', 'fear': 'fear', 'neutral': 'neutral', 'sadness': 'sadness',
         'surprise (negative)': 'surprise', 'surprise (positive)': 'surprise'}, 5,
        read_emogator),
    'urdu': Preset(
        'URDU (Latif et al. 2018)', 'research only', 'Angry/SM1_F10_A010.wav ...', _WORDS, 5,
        read_urdu),
}
