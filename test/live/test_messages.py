# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The messages of `mmer live`."""

from __future__ import annotations

from mmer_ros.live.messages import KEPT, LatestFinals


def message(number: int, label: str = 'joy', *, final: bool = True) -> dict[str, object]:
    return {'type': 'estimate', 'utterance_id': f'u{number}', 'label': label, 'final': final}


def test_the_latest_finals_are_kept_in_order_and_a_revision_replaces_its_estimate() -> None:
    finals = LatestFinals()
    for number in range(KEPT + 2):
        finals.add(message(number, final=False))
        finals.add(message(number))
    finals.add(message(5, 'anger'))
    kept = finals.messages()
    assert [one['utterance_id'] for one in kept] == [f'u{i}' for i in range(2, KEPT + 2)]
    assert [one['label'] for one in kept if one['utterance_id'] == 'u5'] == ['anger']
    assert all(one['final'] for one in kept)
