# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Published corpora, read from the folders as people have them.

A preset yields a `Row` for each utterance in the corpus' own words; `assemble` maps its labels to
MELD's seven emotions, turns votes into soft labels, and splits by speaker. `registry.PRESETS`
lists them; `python -m training convert --corpus NAME DIR FILE.jsonl` writes one as a manifest.
"""
