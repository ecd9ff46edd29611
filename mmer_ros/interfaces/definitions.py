# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The messages that recordings hold, for machines without ROS."""

from __future__ import annotations

AUDIO = 'mmer_msgs/msg/AudioChunk'
EMOTION = 'mmer_msgs/msg/EmotionEstimate'

# As in mmer_msgs/msg, which explains each field; a test compares them.
AUDIO_DEFINITION = """
std_msgs/Header header
uint32 sample_rate
uint8 channels
int16[] samples
"""

EMOTION_DEFINITION = """
uint8 NEUTRAL=0
uint8 SURPRISE=1
uint8 FEAR=2
uint8 SADNESS=3
uint8 JOY=4
uint8 DISGUST=5
uint8 ANGER=6
uint8 MODALITY_TEXT=1
uint8 MODALITY_AUDIO=2
uint8 MODALITY_FACE=4
std_msgs/Header header
string utterance_id
string person_id
string face_id
string voice_id
string speaker_by
float32 speaker_margin
builtin_interfaces/Time start
builtin_interfaces/Time end
bool final
bool provisional
uint16 revision
uint8 emotion
string label
float32[7] probabilities
float32 confidence
bool calibrated
bool trained
float32 valence
float32 arousal
uint8 modalities
float32[3] modality_weights
string transcript
builtin_interfaces/Duration latency
string bundle_name
string bundle_hash
"""

# Of ROS4HRI's hri_msgs: words with a stamp and a language.
LIVE_SPEECH = 'hri_msgs/msg/LiveSpeech'
LIVE_SPEECH_DEFINITION = """
std_msgs/Header header
string incremental
string final
float64 confidence
string locale
"""
