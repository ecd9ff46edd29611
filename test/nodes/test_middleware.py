# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The profiles of the middleware: used by the nodes of two machines unless others are chosen."""

from __future__ import annotations

import os
from pathlib import Path
from subprocess import run
import sys
from xml.etree import ElementTree

from mmer_ros.nodes.middleware import prepare_lossy_network, PROFILES, VARIABLE
import pytest


def test_our_profiles_are_used_and_can_be_read() -> None:
    environment: dict[str, str] = {}
    prepare_lossy_network(environment)
    assert environment == {VARIABLE: str(PROFILES)}
    period = ElementTree.parse(PROFILES).find('.//{*}heartbeatPeriod/{*}nanosec')
    assert period is not None and int(period.text or '') <= 2e8


@pytest.mark.ros
def test_fast_dds_understands_them(tmp_path: Path) -> None:
    pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')
    code = 'import rclpy; rclpy.init(); rclpy.create_node("reader")'
    environment = os.environ | {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    for text, silent in ((PROFILES.read_text(), True),
                         (PROFILES.read_text().replace('heartbeatPeriod', 'heartbeat'), False)):
        (tmp_path / 'profiles.xml').write_text(text)
        process = run([sys.executable, '-c', code], capture_output=True, text=True, check=True,
                      env=environment | {VARIABLE: str(tmp_path / 'profiles.xml')})
        assert ('XML' not in process.stdout + process.stderr) == silent


@pytest.mark.parametrize('name', [
    VARIABLE, 'FASTDDS_DEFAULT_PROFILES_FILE', 'RMW_FASTRTPS_USE_QOS_FROM_XML'])
def test_profiles_that_somebody_chose_stay(name: str) -> None:
    environment = {name: 'mine.xml'}
    prepare_lossy_network(environment)
    assert environment == {name: 'mine.xml'}


def test_a_profile_in_the_working_folder_stays(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'DEFAULT_FASTRTPS_PROFILES.xml').write_text('<dds/>')
    environment: dict[str, str] = {}
    prepare_lossy_network(environment)
    assert environment == {}
