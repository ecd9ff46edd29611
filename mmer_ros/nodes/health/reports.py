# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The health reports of a node and its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mmer_ros.nodes.health.checks import check_input, Level, Report
from mmer_ros.nodes.health.meter import INPUTS, Meter
from mmer_ros.nodes.health.process_usage import CpuUsage, gpu_mb, resident_mb
from mmer_ros.nodes.inputs.inputs import Inputs
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.settings import HealthLimits, NodeSettings

SOURCES = ('image', 'audio', 'transcript')


@dataclass(frozen=True)
class Status:
    """
    The state of a node.

    :param failure: why a transition failed; '' if none did.
    :param loading: ~/load_bundle is loading a bundle.
    :param waiting: queued messages by kind.
    """

    state: str
    enabled: bool
    failure: str
    loading: bool
    recognizer: Recognizer | None
    waiting: dict[str, int]


class Reporter:
    """
    Report on the node itself and the use of CPU and memory.

    :param faults: returns the current faults by kind.
    """

    def __init__(self, faults: Callable[[], dict[str, str]]) -> None:
        self._faults = faults
        self._cpu = CpuUsage()

    def report_node(self, status: Status, limits: HealthLimits) -> Report:
        """Return the report `node`."""
        report = Report('node', status.state)
        memory = resident_mb()
        report.values = {
            'state': status.state, 'enabled': str(status.enabled), **_bundle(status.recognizer),
            'loading a bundle': str(status.loading), 'CPU [%]': f'{self._cpu.percent():.0f}',
            'faults': ', '.join(sorted(self._faults()))}
        if memory is not None:
            report.values['memory [MB]'] = f'{memory:.0f}'
        recognizer = status.recognizer
        on_gpu = gpu_mb(recognizer.device if recognizer is not None else '')
        if on_gpu is not None:
            report.values['GPU memory [MB]'] = f'{on_gpu:.0f}'
        report.values |= {f'waiting {kind}': str(count) for kind, count in status.waiting.items()
                          if kind in {*INPUTS, 'part'}}
        self._check(report, status, memory, limits)
        return report

    def _check(self, report: Report, status: Status, memory: float | None,
               limits: HealthLimits) -> None:
        if status.failure:
            report.add(Level.ERROR, '', status.failure)
        elif status.recognizer is not None and not status.recognizer.config.trained:
            report.add(Level.WARN, '', f'{status.state}, but the weights are untrained: the '
                       'estimates mean nothing')
        if status.state == 'active' and not status.enabled:
            report.message += ', disabled'
        report.check('memory', memory, limits.memory_warn_mb, limits.memory_error_mb,
                     'the process uses {value:.0f} MB')


def unmeasured(status: Status, names: Sequence[str]) -> list[Report]:
    """Return a report for each name, of which nothing is measured at present."""
    why = 'disabled' if status.state == 'active' else f'the node is {status.state}'
    return [Report(name, f'not measured: {why}', Level.STALE) for name in names]


def input_names(settings: NodeSettings) -> list[str]:
    """Return the inputs that the settings ask for."""
    return [name for name in SOURCES if settings.hears_voices
            or (settings.ros4hri and name == 'image') or getattr(settings, f'{name}_topic')]


def input_reports(settings: NodeSettings, inputs: Inputs, meter: Meter, limits: HealthLimits
                  ) -> list[Report]:
    """Return a report on each input."""
    return [check_input(name, _topics(inputs, name), meter, limits,
                        sparse=name == 'transcript' or settings.ros4hri,
                        refusal=_refusal(inputs, name))
            for name in input_names(settings)]


def _bundle(recognizer: Recognizer | None) -> dict[str, str]:
    if recognizer is None:
        return {'bundle': ''}
    return {'bundle': recognizer.config.name, 'bundle hash': recognizer.bundle.content_hash,
            'trained': str(recognizer.config.trained), 'device': recognizer.device,
            'engine': recognizer.engine}


def _refusal(inputs: Inputs, name: str) -> str:
    return next((topic.refusal for topic in inputs.topics
                 if topic.spec.kind == name and topic.refusal), '')


def _topics(inputs: Inputs, name: str) -> Sequence[tuple[str, str]]:
    people = [topic for tracked in inputs.people for topics in list(tracked.inputs.values())
              for topic in topics]
    return [(topic.topic, topic.type_name) for topic in [*inputs.topics, *people]
            if topic.spec.kind == name and topic.type_name]
