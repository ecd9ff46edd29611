# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Measure segmenters and an estimator on different computers, in a network of given quality.

`python -m tools.bench_wifi --loss 0.05 --rate 1e6`: what segmenters make of the sample recording
is sent in real time over a network of namespaces (tools.links): by `robot` over the link in
question, by `neighbour` over a clean one. The estimates come back the same way.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
import json
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time
from typing import Any

from mmer_ros.nodes.middleware import prepare_lossy_network, VARIABLE
from mmer_ros.nodes.part_messages import to_part_messages
from mmer_ros.nodes.tools.part_player import as_row, write_message
from mmer_ros.recognition.bundle import Bundle, DEFAULT_BUNDLE
from mmer_ros.recognition.dialogue_stream import DialogueStream
from mmer_ros.recognition.multi_robot import SentPart
from mmer_ros.recognition.prior_correction import ROBOT
from mmer_ros.recognition.recognizer import Recognizer
import numpy as np
from tools.bench_split import sample_parts
from tools.links import Link, Network, network
import torch

ROBOTS = ('robot', 'neighbour')
DOMAIN = '77'
TRANSPORT = 'FASTDDS_BUILTIN_TRANSPORTS'
sample = cache(sample_parts)


@dataclass(frozen=True)
class Answers:
    """
    What a robot got back.

    :param late_s: of each final estimate, seconds from the publication of the last part.
    :param wrong: estimates whose probabilities are not those of a single process.
    """

    expected: int
    late_s: list[float]
    wrong: int

    def __str__(self) -> str:
        late = f'p95 {np.percentile(self.late_s, 95):.2f} s, max {max(self.late_s):.2f} s' if (
            self.late_s) else 'none'
        return f'{len(self.late_s)} of {self.expected} finals, {self.wrong} wrong, {late}'


@dataclass(frozen=True)
class Outcome:
    """
    What a run has shown.

    :param payload: bytes of the messages that `robot` has published.
    :param sent: bytes of the frames that `robot` has sent meanwhile.
    :param received: bytes of the frames that the estimator has sent to all meanwhile.
    """

    answers: Mapping[str, Answers]
    payload: int
    sent: int
    received: int

    def __str__(self) -> str:
        robots = '; '.join(f'{name}: {answers}' for name, answers in self.answers.items())
        return (f'{robots}; payload {self.payload / 1e6:.2f} MB, sent {self.sent / 1e6:.2f} MB '
                f'({self.sent / self.payload:.2f}), '
                f'from the estimator {self.received / 1e6:.2f} MB')


def write_parts(path: Path, bundle: str, robot: str, rounds: int, utterances: int
                ) -> list[dict[str, Any]]:
    """
    Write the messages of a robot's segmenter for the sample, one round after another.

    :param utterances: of the sample, the first; 0: all.
    :return: the final estimates that a single process gives, as `as_row`.
    """
    torch.set_num_threads(1)  # as the node does by default
    once, finals, sequence = sample(bundle), [], 0
    if utterances:
        ends = [i for i, part in enumerate(once) if part.last]
        once = once[:1 + ends[utterances - 1]]
    settings = Bundle.read_config(bundle).faces.digest
    stream = DialogueStream(Recognizer.load(bundle, prior=ROBOT), partial_rate=1.0)
    length = once[-1].end - once[0].start + 1.0
    with path.open('wb') as file:
        for turn in range(rounds):
            for part in once:
                shift = turn * length
                part = replace(
                    part, utterance_id=f'{part.utterance_id} {turn}', start=part.start + shift,
                    end=part.end + shift, utterance_start=part.utterance_start + shift,
                    faces=tuple(replace(c, stamp=c.stamp + shift) for c in part.faces))
                estimate = stream.push(part)
                if estimate is not None and estimate.final:
                    finals.append(as_row(estimate))
                pieces = to_part_messages(SentPart(robot, 1, sequence, part), frame_id='camera',
                                          face_settings=settings)
                for message in pieces:
                    write_message(file, part.end - once[0].start, message,
                                  part.last and message is pieces[-1])
                sequence += 1
    return finals


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of all processes."""
    variables = {**os.environ, 'ROS_DOMAIN_ID': DOMAIN, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET',
                 'PYTHONPATH': os.pathsep.join([os.getcwd(), os.environ.get('PYTHONPATH', '')]),
                 'OMP_NUM_THREADS': '1', **extra}
    prepare_lossy_network(variables)
    return variables


def measure(link: Link, bundle: str = DEFAULT_BUNDLE, rounds: int = 1, *, utterances: int = 0,
            variables: Mapping[str, str] | None = None,
            desk: Mapping[str, str] | None = None) -> Outcome:
    """
    Run robots and estimator on computers of their own and return what came of it.

    :param link: of the robot in question.
    :param variables: more environment variables of all processes; `desk` of the estimator's.
    :raises RuntimeError: if there can be no such network here, or nobody finds anybody.
    """
    links = {'robot': link, 'neighbour': Link(), 'desk': Link()}
    with tempfile.TemporaryDirectory() as name, network(links) as net:
        folder = Path(name)
        expected = {robot: write_parts(folder / robot, bundle, robot, rounds, utterances)
                    for robot in ROBOTS}
        processes: list[subprocess.Popen[str]] = []

        def start(host: str, *words: str) -> subprocess.Popen[str]:
            extra = {**(variables or {}), **(desk or {} if host == 'desk' else {})}
            with (folder / f'{host}.log').open('w') as log:
                process = subprocess.Popen(
                    [*net.on(host), sys.executable, '-m', *words], text=True, stderr=log,
                    env=environment(extra), stdin=subprocess.PIPE,
                    stdout=log if host == 'desk' else subprocess.PIPE)
            processes.append(process)
            return process

        try:
            start('desk', 'mmer_ros.nodes.executables', 'estimator', '--ros-args', '-p',
                  f'bundle:={bundle}')
            robots = {robot: start(robot, 'mmer_ros.nodes.tools.part_player',
                                   str(folder / robot), robot) for robot in ROBOTS}
            return _watch(net, robots, expected)
        finally:
            for process in processes:
                process.kill()
                process.communicate()


def _watch(net: Network, robots: Mapping[str, subprocess.Popen[str]],
           expected: Mapping[str, list[dict[str, Any]]]) -> Outcome:
    for robot in robots.values():
        assert robot.stdout is not None
        if not robot.stdout.readline():
            raise RuntimeError('the sender has ended')
    time.sleep(3.0)  # until the topics of the estimates are known as well
    before = net.sent()
    for robot in robots.values():
        assert robot.stdin is not None
        robot.stdin.write('\n')
        robot.stdin.flush()
    lines = {name: [json.loads(line) for line in robot.stdout or ()]
             for name, robot in robots.items()}
    after = net.sent()
    answers, payload = {}, 0
    for name, rows in lines.items():
        summary = next(row for row in rows if 'due' in row)
        answers[name] = _compared([row for row in rows if 'final' in row], expected[name],
                                  summary['due'])
        if name == ROBOTS[0]:
            payload = summary['payload']
    return Outcome(answers, payload, after['robot'] - before['robot'],
                   after['desk'] - before['desk'])


def _compared(got: list[dict[str, Any]], expected: list[dict[str, Any]], due: list[float]
              ) -> Answers:
    late, wrong = [], 0
    for row, moment in zip(expected, due):
        found = next((one for one in got if one['id'] == row['id']), None)
        if found is None:
            continue
        got.remove(found)  # a revision has the same id
        late.append(found['final'] - moment)
        wrong += found['probabilities'] != row['probabilities']
    return Answers(len(expected), late, wrong + len(got))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog='python -m tools.bench_wifi', description=__doc__)
    parser.add_argument('--bundle', default=DEFAULT_BUNDLE)
    parser.add_argument('--rounds', type=int, default=1, help='how often the sample is sent')
    parser.add_argument('--loss', type=float, default=0.0, help='share of frames')
    parser.add_argument('--rate', type=float, default=0.0, help='bit/s; 0: unlimited')
    parser.add_argument('--delay', type=float, default=0.001, help='seconds each way')
    parser.add_argument('--queue', type=int, default=128_000, help='bytes')
    parser.add_argument('--transport', default='', help='FASTDDS_BUILTIN_TRANSPORTS of all')
    parser.add_argument('--desk-transport', default='', help='that of the estimator, if another')
    parser.add_argument('--profiles', default='', help='another file of Fast DDS than ours')
    options = parser.parse_args()
    link = Link(options.loss, options.rate, options.queue, options.delay)
    variables = {VARIABLE: options.profiles} if options.profiles else {}
    desk = {}
    if options.transport:
        variables[TRANSPORT] = options.transport
    if options.desk_transport:
        desk[TRANSPORT] = options.desk_transport
    print(measure(link, options.bundle, options.rounds, variables=variables, desk=desk))
    return 0


if __name__ == '__main__':
    sys.exit(main())
