# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The subscribers on the pages, each as a process that hears an estimate over DDS."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_msgs.msg import EmotionEstimate

from ..fixtures.docs import DOCS, Example, examples
from ..fixtures.domains import use_own_domain
from ..fixtures.ros import eventually
from ..fixtures.stream import ROOT

START_S = 60.0  # to import ROS on a busy computer
PAGES = (ROOT / 'README.md', DOCS / 'quickstart-behaviour-tree.md')


def subscriber(page: Path) -> Example:
    return next(e for e in examples(page) if e.needs_ros and 'rclpy.spin' in e.code)


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_a_subscriber_of_the_pages_prints_the_estimates_that_it_may_trust(
        page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_own_domain(monkeypatch)
    context = rclpy.Context()
    context.init()
    node = rclpy.create_node('publisher', context=context)
    publisher = node.create_publisher(EmotionEstimate, '/emotion', 10)
    log = tmp_path / 'out.txt'
    with log.open('w') as out:
        process = subprocess.Popen(
            [sys.executable, '-u', '-c', subscriber(page).code], cwd=ROOT, stdout=out)
    try:
        assert eventually(lambda: publisher.get_subscription_count() == 1, START_S)
        trusted = EmotionEstimate(label='joy', face_id='face7', confidence=0.9, final=True,
                                  trained=True)
        unsure = EmotionEstimate(label='fear', confidence=0.3, final=True, trained=True)
        for message in (unsure, trusted):
            publisher.publish(message)
        assert eventually(lambda: 'joy' in log.read_text(), START_S)
    finally:
        process.kill()
        process.wait()
        context.shutdown()
    assert 'face7' in log.read_text() and 'fear' not in log.read_text()
