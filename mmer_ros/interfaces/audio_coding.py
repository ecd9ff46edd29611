# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Recognise compressed audio by its first bytes."""

from __future__ import annotations

MAGIC = {b'ID3': 'mp3', b'OggS': 'ogg', b'fLaC': 'flac'}
# Layer III: kbit/s by index, of MPEG 1 and of MPEG 2 and 2.5 (ISO 11172-3 and 13818-3).
BITRATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
BITRATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
RATES = (44_100, 48_000, 32_000)  # Hz, of MPEG 1; MPEG 2 has half, 2.5 a quarter
DIVISORS = {3: 1, 2: 2, 0: 4}  # version bits -> of RATES


def coding_of(data: bytes) -> str:
    """
    Return e.g. 'mp3'; '' for what may be PCM.

    :param data: one message, which begins where a frame of the coding begins.
    """
    for magic, coding in MAGIC.items():
        if data.startswith(magic):
            return coding
    length = mp3_frame_length(data)
    # PCM can look like the head of a frame, but hardly with a second one where the first ends.
    if length and (len(data) == length or mp3_frame_length(data[length:])):
        return 'mp3'
    return ''


def mp3_frame_length(data: bytes) -> int:
    """Return the length of the MPEG layer III frame that begins here, bytes; 0 if none does."""
    head = int.from_bytes(data[:4], 'big') if len(data) >= 4 else 0
    version, layer, bitrate, rate = (
        head >> 19 & 3, head >> 17 & 3, head >> 12 & 15, head >> 10 & 3)
    is_head = head >> 21 == 0x7ff and layer == 1 and version in DIVISORS
    if not is_head or bitrate in (0, 15) or rate == 3:
        return 0
    kilobits = (BITRATES_1 if version == 3 else BITRATES_2)[bitrate]
    hertz = RATES[rate] // DIVISORS[version]
    return (144 if version == 3 else 72) * kilobits * 1000 // hertz + (head >> 9 & 1)
