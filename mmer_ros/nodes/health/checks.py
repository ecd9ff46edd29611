# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Health checks: measurements compared with the thresholds of /diagnostics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from mmer_ros.nodes.health.meter import Meter
from mmer_ros.nodes.health.window import percentile, Window
from mmer_ros.sensing.clock_offsets import ClockOffsets
from mmer_ros.settings import HealthLimits

RECENT_S = 5.0  # what is older says nothing about an input now
MEASURED_S = 3.0  # a rate is checked once it was measured for this long
JUDGED = ('image', 'audio')  # inputs whose messages are found usable or not


class Level(IntEnum):
    """The levels of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Problem:
    """
    A failed check.

    :param key: short name, constant while the problem lasts; '' if the log has it already.
    """

    level: Level
    key: str
    text: str


@dataclass
class Report:
    """
    One status of /diagnostics.

    >>> report = Report('image')
    >>> report.check('silent', 3.0, 2.0, 10.0, 'no image for {value:.0f} s')
    >>> report.level, report.message
    (<Level.WARN: 1>, 'no image for 3 s')

    :param message: shown while there are no problems.
    """

    name: str
    message: str = 'good'
    level: Level = Level.OK
    values: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def check(self, key: str, value: float | None, warn: float, error: float, text: str, *,
              logged: bool = True) -> None:
        """
        Add a problem if a value reaches a threshold.

        :param warn: threshold of a warning, and `error` of an error; 0 disables it.
        :param text: may contain {value}.
        :param logged: False if the log reports it in another way.
        """
        if value is None:
            return
        level = Level.ERROR if error and value >= error else (
            Level.WARN if warn and value >= warn else Level.OK)
        if level:
            self.add(level, key if logged else '', text.format(value=value))

    def add(self, level: Level, key: str, text: str) -> None:
        """Add a problem; the worst one determines the level of the report."""
        self.problems.append(Problem(level, key, text))
        self.level = max(level, self.level)
        self.message = '; '.join(problem.text for problem in self.problems)


@dataclass
class PartCounts:
    """
    Utterance parts of a robot.

    :param missed: sent before the first that was received.
    """

    received: int = 0
    lost: int = 0
    repeated: int = 0
    missed: int = 0


def check_input(name: str, topics: Sequence[tuple[str, str]], meter: Meter,
                limits: HealthLimits, *, sparse: bool, refusal: str = '') -> Report:
    """
    Check silence, rate, drops and gaps of an input.

    :param topics: (topic, type) of the subscriptions; none while there is no publisher.
    :param refusal: why its publishers cannot be subscribed to; '' if they can.
    :param sparse: silence of this input is normal.
    """
    now = meter.steady()
    report = Report(name)
    arrivals = meter.arrivals[name]
    rate = arrivals.rate(now)
    silent = now - (meter.since if arrivals.latest is None else arrivals.latest)
    report.values = {
        'topic': ', '.join(topic for topic, _ in topics) or 'no publisher',
        'type': ', '.join(sorted({kind for _, kind in topics})),
        'rate [Hz]': f'{rate:.1f}', 'received': str(arrivals.total),
        **({'usable': str(meter.usable[name].total)} if name in JUDGED else {}),
        'unusable': str(meter.unusable[name].total),
        'silent for [s]': f'{silent:.1f}', **_lag(meter.lags[name], now)}
    if not sparse:
        _check_silence(report, arrivals, topics, silent, limits, refusal)
        measured = arrivals.began is not None and now - arrivals.began >= MEASURED_S
        if name == 'image' and measured and not report.problems:
            _check_rate(report, rate, limits)
    _check_quality(report, name, meter, limits, now)
    _check_drops(report, name, arrivals, meter, limits, now)
    _check_losses(report, name, arrivals, meter, limits, now)
    if name == 'audio':
        gaps = meter.gaps.values(now)
        report.values |= {'gaps': str(len(gaps)), 'missing [s]': f'{sum(gaps):.2f}'}
        report.check('', len(gaps), limits.gaps_warn, limits.gaps_error,
                     f'{{value:.0f}} gaps, {sum(gaps):.1f} s in all: check the network and the '
                     'load of the machine')
    return report


def _lag(lags: Window, now: float) -> dict[str, str]:
    median = percentile(lags.values(now), 50)
    return {} if median is None else {'stamps behind arrival [s]': f'{median:.3f}'}


def _check_silence(report: Report, arrivals: Window, topics: Sequence[tuple[str, str]],
                   silent: float, limits: HealthLimits, refusal: str) -> None:
    driver = 'camera' if report.name == 'image' else 'microphone'
    if refusal and not topics:
        report.check('silent', silent, limits.silent_warn_s, 0,
                     refusal.replace('{', '{{').replace('}', '}}'))
    elif arrivals.latest is None and not topics:
        report.check('silent', silent, limits.silent_warn_s, 0, (
            f'the topic has no publisher; start the driver of the {driver}, or set the parameter '
            f'{report.name}_topic to empty if there is none'))
    else:
        report.check('silent', silent, limits.silent_warn_s, limits.silent_error_s, (
            f'no message for {{value:.1f}} s; check the driver of the {driver}'))


def _check_quality(report: Report, name: str, meter: Meter, limits: HealthLimits, now: float
                   ) -> None:
    """Check for how long nothing that came was of use; silence is another problem."""
    since, latest = meter.unusable_since.get(name), meter.unusable[name].latest
    if since is not None and latest is not None and now - latest < RECENT_S:
        problem = meter.problems[name].replace('{', '{{').replace('}', '}}')
        report.check('unusable', now - since, limits.unusable_warn_s, 0,
                     f'nothing usable for {{value:.0f}} s: {problem}')


def _check_rate(report: Report, rate: float, limits: HealthLimits) -> None:
    if rate < max(limits.image_rate_warn, limits.image_rate_error):
        level = Level.ERROR if rate < limits.image_rate_error else Level.WARN
        report.add(level, 'rate', f'{rate:.1f} images per second; expected '
                   f'{limits.image_rate_warn:g}: check the camera and the network')


def _check_drops(report: Report, name: str, arrivals: Window, meter: Meter, limits: HealthLimits,
                 now: float) -> None:
    dropped = sum(meter.drops[name].values(now))
    share = dropped / max(len(arrivals.values(now)), dropped, 1)
    report.values['dropped'] = f'{dropped:.0f}'
    report.check('', share, limits.drops_warn, limits.drops_error, (
        '{value:.0%} dropped: messages arrive faster than they can be processed'))


def _check_losses(report: Report, name: str, arrivals: Window, meter: Meter,
                  limits: HealthLimits, now: float) -> None:
    lost = sum(meter.losses_on_the_way[name].values(now))
    share = lost / max(len(arrivals.values(now)) + lost, 1)
    report.values['lost on the way'] = f'{lost:.0f}'
    report.check('', share, limits.drops_warn, limits.drops_error,
                 '{value:.0%} lost on the way: check the network')


def check_skew(meter: Meter, limits: HealthLimits, shifts: Mapping[str, float]) -> Report:
    """
    Check how far the stamps of camera and microphone differ when they arrive together.

    :param shifts: input -> what is added to its stamps because its clock is wrong, seconds.
    """
    now = meter.steady()
    report = Report('clocks')
    for name, shift in sorted(shifts.items()):
        report.values[f'added to the stamps of {name} [s]'] = f'{shift:.1f}'
        report.add(Level.WARN, '', ClockOffsets.describe(name, shift))
    medians = {name: percentile(meter.lags[name].values(now), 50) for name in ('image', 'audio')}
    image, audio = medians['image'], medians['audio']
    if image is None or audio is None:
        report.message = report.message if shifts else 'nothing to compare'
        return report
    skew = image - audio
    report.values['images stamped behind audio [s]'] = f'{skew:.3f}'
    report.check('skew', abs(skew), limits.skew_warn_s, limits.skew_error_s, (
        'the stamps of images and audio differ by {value:.2f} s when they arrive: synchronise '
        'the clocks of their machines, or correct the driver'))
    return report


def check_recognition(meter: Meter, limits: HealthLimits) -> Report:
    """Check the latency of the final estimates, and report the time of each stage."""
    report = _stages('recognition', meter, {'final': 'final estimates',
                                            'provisional': 'provisional estimates',
                                            'partial': 'partial estimates'})
    now = meter.steady()
    late = percentile(meter.latencies['final'].values(now), 95)
    transit = percentile(meter.lags['transit'].values(now), 95)
    advice = 'use a smaller bundle, a GPU, or fewer images'
    if late is not None and transit is not None and transit > late / 2:
        advice = f'their parts were {transit:.1f} s on the way, check the network'
    report.check('latency', late, limits.latency_warn_s, limits.latency_error_s,
                 f'estimates are {{value:.1f}} s late: {advice}')
    return _with_errors(report, meter)


def check_segmentation(meter: Meter, limits: HealthLimits) -> Report:
    """Check the latency of the utterance parts, and report the time of each stage."""
    report = _stages('segmentation', meter, {'part': 'parts'})
    report.check('latency', percentile(meter.latencies['part'].values(meter.steady()), 95),
                 limits.latency_warn_s, limits.latency_error_s, (
                     'parts are sent {value:.1f} s after their end: send fewer or smaller images'))
    return _with_errors(report, meter)


def check_parts(topic: str, publishers: int, counts: Mapping[str, PartCounts],
                meter: Meter, limits: HealthLimits) -> Report:
    """
    Check the utterance parts that arrive from the segmenters.

    :param counts: by source.
    """
    now = meter.steady()
    report = Report('parts')
    arrivals = meter.arrivals['part']
    report.values = {'topic': topic, 'segmenters': str(publishers),
                     'rate [Hz]': f'{arrivals.rate(now):.1f}', 'received': str(arrivals.total)}
    for source, count in sorted(counts.items()):
        report.values[f'{source or "/"}: received, lost, repeated'] = (
            f'{count.received}, {count.lost}, {count.repeated}')
        report.values[f'{source or "/"}: sent before the first received'] = str(count.missed)
    if lags := meter.lags['part'].values(now):
        report.values |= _spread('delay [ms]', [1000 * lag for lag in lags])
    transits = meter.lags['transit'].values(now)
    if transits:
        report.values |= _spread('on the way [ms]', [1000 * seconds for seconds in transits])
    report.check('transit', percentile(transits, 95), limits.latency_warn_s,
                 limits.latency_error_s, 'parts are {value:.1f} s on the way: check the network')
    if not publishers:
        report.check('silent', now - meter.since, limits.silent_warn_s, 0, (
            'no segmenter is visible; start one with the same `parts_topic`, in this domain and '
            'with the same FASTDDS_BUILTIN_TRANSPORTS'))
    _check_drops(report, 'part', arrivals, meter, limits, now)
    report.check('', len(meter.losses.values(now)), limits.gaps_warn, limits.gaps_error,
                 'parts were lost {value:.0f} times: check the network')
    return report


def _stages(name: str, meter: Meter, results: Mapping[str, str]) -> Report:
    """
    Report the time of each stage and the latency of each kind of result.

    :param results: kind of result -> its name in the report.
    """
    now = meter.steady()
    report = Report(name)
    for stage, window in sorted(meter.stages.items()):
        if seconds := window.values(now):
            report.values |= _spread(f'{stage} [ms]', [1000 * value for value in seconds])
    for kind, words in results.items():
        report.values[words] = str(meter.latencies[kind].total)
        if latencies := meter.latencies[kind].values(now):
            report.values |= _spread(f'{kind} latency [ms]', [1000 * x for x in latencies])
    return report


def _with_errors(report: Report, meter: Meter) -> Report:
    if errors := len(meter.errors.values(meter.steady())):
        report.add(Level.ERROR, '', f'{errors} internal errors; see the log')
    return report


def _spread(name: str, values: Sequence[float]) -> dict[str, str]:
    return {f'{name} p50': f'{percentile(values, 50):.1f}',
            f'{name} p95': f'{percentile(values, 95):.1f}'}
