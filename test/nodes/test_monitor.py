# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""`mmer monitor` on a real graph, in a real terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import fcntl
import os
from pathlib import Path
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from mmer_msgs.msg import EmotionEstimate
from mmer_ros.cli.main import main
from mmer_ros.nodes.tools.monitor import Monitor
from mmer_ros.nodes.tools.playback import spinning
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import String

from ..fixtures.domains import use_own_domain
from ..fixtures.monitor import find, screen
from ..fixtures.ros import eventually

ROOT = Path(__file__).parents[2]
MONITOR = [sys.executable, '-m', 'mmer_ros.nodes.tools.monitor']
START_S = 60.0  # to import ROS on a busy computer
PERIOD_S = 0.1


@pytest.fixture(autouse=True)
def domain(monkeypatch: pytest.MonkeyPatch) -> None:
    use_own_domain(monkeypatch)


def estimate(person: str = 'anna') -> EmotionEstimate:
    message = EmotionEstimate(
        utterance_id='u', person_id=person, final=True, label='joy', emotion=EmotionEstimate.JOY,
        confidence=0.7, calibrated=True, trained=True, modalities=1, bundle_name='meld',
        bundle_hash='0123456789ab', modality_weights=[1.0, 0.0, 0.0])
    message.probabilities = [0.05] * 4 + [0.7] + [0.05] * 2
    return message


def health() -> DiagnosticArray:
    return DiagnosticArray(status=[DiagnosticStatus(
        level=DiagnosticStatus.WARN, name='emotion: image', message='slow',
        values=[KeyValue(key='rate [Hz]', value='2.1')])])


class Robot:
    """A lifecycle node named emotion that publishes an estimate and its health all the time."""

    def __init__(self, context: rclpy.Context) -> None:
        self.node = LifecycleNode('emotion', context=context)
        self._publishers = (self.node.create_publisher(EmotionEstimate, 'emotion', 10),
                            self.node.create_publisher(DiagnosticArray, '/diagnostics', 10))
        self.node.create_timer(PERIOD_S, self._publish)

    def _publish(self) -> None:
        for publisher, message in zip(self._publishers, (estimate(), health())):
            publisher.publish(message)


@contextmanager
def graph(make: Callable[[rclpy.Context], object]) -> Iterator[object]:
    """Run what `make` makes, whose `node` is spun."""
    context = rclpy.Context()
    context.init()
    made = make(context)
    with spinning(context, made.node):
        yield made


class Watched:
    """A monitor in this process."""

    def __init__(self, context: rclpy.Context) -> None:
        self.node = Monitor(context=context)

    def shows(self, text: str) -> bool:
        """Wait until the screen has a text."""
        def found() -> bool:
            time.sleep(0.05)
            self.node.view()
            return bool(find(screen(self.node.state, 200, 60, now=time.monotonic()), text))
        return eventually(found, 15.0)


def test_it_follows_the_state_of_the_node_and_what_it_says() -> None:
    with graph(Watched) as seen:
        assert seen.shows('No other node can be seen')
        with graph(Robot) as robot:
            assert seen.shows('node /emotion: unconfigured')
            assert seen.shows('ros2 lifecycle set /emotion configure')
            robot.node.trigger_configure()
            assert seen.shows('ros2 lifecycle set /emotion activate')
            robot.node.trigger_activate()
            assert seen.shows('node /emotion: active')
            assert seen.shows('anna: joy 70 %')
            assert seen.shows('WARN  emotion: image: slow') and seen.shows('rate [Hz] 2.1')
        assert seen.shows('node /emotion: no ')  # answer, or not seen
        assert seen.shows('anna: joy 70 %') and seen.shows('STALE emotion: image')


class Stranger:
    """A node that publishes something else on the topic of the estimates."""

    def __init__(self, context: rclpy.Context) -> None:
        self.node = rclpy.create_node('stranger', context=context)
        self.node.create_publisher(String, 'emotion', 1)


def test_a_topic_of_another_type_is_named() -> None:
    with graph(Watched) as seen, graph(Stranger):
        assert seen.shows('/emotion is published as std_msgs/msg/String')


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MONITOR, '--once', *arguments], cwd=ROOT, capture_output=True,
                          text=True, timeout=START_S)


def test_once_tells_by_its_exit_code_whether_estimates_come() -> None:
    nothing = run('--wait', '0.2')
    assert nothing.returncode == 1 and 'No other node can be seen' in nothing.stdout
    with graph(Robot):
        something = run('--wait', '20')
        elsewhere = run('--wait', '4', '--namespace', '/robot')
    assert something.returncode == 0 and something.stderr == ''
    assert 'anna: joy 70 %' in something.stdout and 'emotion: image: slow' in something.stdout
    assert elsewhere.returncode == 1
    assert '1 other node can be seen, but neither /robot/emotion' in ' '.join(
        elsewhere.stdout.split())


def test_names_that_ros_does_not_allow_are_refused_in_one_sentence() -> None:
    refused = run('--topic', 'no spaces')
    assert refused.returncode == 2 and refused.stderr == ''
    assert 'Invalid topic name' in refused.stdout


class Terminal:
    """A process in a terminal of its own."""

    def __init__(self, command: list[str], rows: int, columns: int) -> None:
        master, slave = pty.openpty()
        self._master, self.text = master, ''
        self.resize(rows, columns)
        environment = {**os.environ, 'TERM': 'xterm-256color'}
        for name in ('COLUMNS', 'LINES', 'NO_COLOR'):
            environment.pop(name, None)
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=slave,
                                        stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)

    def resize(self, rows: int, columns: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def shows(self, text: str, timeout_s: float = START_S) -> bool:
        """Read on until a text was written."""
        begin = len(self.text)
        deadline = time.monotonic() + timeout_s
        while text not in self.text[begin:] and time.monotonic() < deadline:
            if select.select([self._master], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self._master, 65536).decode(errors='replace')
                except OSError:  # the process has ended
                    break
        return text in self.text[begin:]

    def end(self, number: int) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        self.shows('never', 5.0)
        return self.process.wait(10.0)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_in_a_terminal_it_follows_the_size_and_ends_cleanly(number: int) -> None:
    with graph(Robot):
        terminal = Terminal(MONITOR, 24, 80)
        assert terminal.shows('anna: ')
        assert terminal.shows('\u256e') and '\u2500' * 76 in terminal.text
        terminal.resize(40, 120)
        assert terminal.shows('\u2500' * 100)
        assert terminal.end(number) == 0
    assert 'Traceback' not in terminal.text
    assert terminal.text.rindex('\x1b[?1049h') < terminal.text.rindex('\x1b[?1049l')
    assert terminal.text.rindex('\x1b[?25l') < terminal.text.rindex('\x1b[?25h')


def test_mmer_monitor_takes_the_arguments_of_ros(capsys: pytest.CaptureFixture[str]) -> None:
    given = ['monitor', '--once', '--wait', '0.1', '--node', 'other', '--ros-args']
    assert main([*given, '-r', '__ns:=/kitchen']) == 1
    assert '/kitchen/other' in capsys.readouterr().out
    assert main([*given, '--enclave', '/not a name']) == 2
    shown = capsys.readouterr().out
    assert 'Enclave name is not valid' in shown and 'init.c' not in shown


def test_it_is_a_command_of_mmer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['monitor', '--once', '--wait', '0.1', '--node', 'other']) == 1
    assert 'node /other: not seen' in capsys.readouterr().out
