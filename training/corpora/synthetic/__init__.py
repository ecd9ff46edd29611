# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Drawn people who talk: a corpus in the shape of MELD, and recordings of a dialogue.

`python -m training synth FOLDER` makes the corpus: `plan` decides who says what in which emotion
and what each modality shows of it, `language` writes the words, `prosody` and `voice` speak
syllables, `clip` and `corpus` lay the clips out as MELD does, `ceilings` computes what the best
possible model reaches.

`python -m tools.make_sample` makes the sample recording: `words` speaks a script, `stage` films
its cast with a camera that turns, `recording` writes a rosbag2 folder with labels.

Both draw people with `people`, `portrait`, `expression`, `features`, `scene` and `camera`.
"""
