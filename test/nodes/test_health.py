# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What the node says of itself, and of what happens to it; over real DDS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import run
import sys
import threading
import time

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_msgs.msg import AudioChunk
from mmer_ros.nodes.health.checks import (
    check_input,
    check_parts,
    check_recognition,
    check_skew,
    Level,
    PartCounts,
    Report,
)
from mmer_ros.nodes.health.meter import Meter
from mmer_ros.nodes.health.window import percentile, Window
from mmer_ros.nodes.tools.playback import spinning
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.settings import HealthLimits
from mmer_ros.types import VideoFrame
import rclpy
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from std_msgs.msg import String

from ..fixtures.node import chunk, estimate, Health, jpeg, picture, tiny
from ..fixtures.ros import eventually, InStep, recorded, Rig, running

OK, WARN, ERROR, STALE = Level
TOPICS = [('image', 'sensor_msgs/msg/Image')]
QUICK = {'health.silent_warn_s': 0.5, 'health.silent_error_s': 1.5, 'health.window_s': 2.0,
         'health.image_rate_warn': 0.0}


class Bench:
    """A meter whose clocks are moved by hand."""

    def __init__(self, window_s: float = 10.0) -> None:
        self.now = 1000.0
        self.meter = Meter(window_s, clock=lambda: self.now + 500.0, steady=lambda: self.now)

    def feed(self, kind: str, seconds: float, rate: float, lag: float = 0.05) -> None:
        """Let messages arrive, each `lag` seconds after its capture."""
        for _ in range(round(seconds * rate)):
            self.now += 1 / rate
            stamp = self.now + 500.0 - lag
            self.meter.record_item(kind, stamp)

    def image(self, topics: list[tuple[str, str]] = TOPICS) -> Report:
        return check_input('image', topics, self.meter, HealthLimits(), sparse=False)


# ---------------------------------------------------------------- measuring and judging


def test_a_window_forgets_and_its_rate_is_that_of_the_last_seconds() -> None:
    window = Window(10.0)
    for i in range(100):
        window.add(i * 0.1, i)
    assert window.rate(10.0) == pytest.approx(10.0, rel=0.02)
    assert window.values(15.0) == list(range(50, 100))
    assert window.values(100.0) == [] and window.total == 100
    assert window.rate(100.0) == 0.0
    for i in range(20):
        window.add(106.0 + i * 0.1)
    assert window.rate(108.0) == pytest.approx(10.0)  # since the pause
    assert percentile([], 50) is None
    assert percentile([float(x) for x in range(101)], 95) == 95.0


def test_a_camera_that_works_is_good_and_its_numbers_are_told() -> None:
    bench = Bench()
    bench.feed('image_time', 20.0, 15.0, lag=0.08)
    report = bench.image()
    assert report.level == OK and report.message == 'good'
    assert float(report.values['rate [Hz]']) == pytest.approx(15.0, abs=0.2)
    assert report.values['received'] == '300' and report.values['topic'] == 'image'
    assert float(report.values['stamps behind arrival [s]']) == pytest.approx(0.08)


@pytest.mark.parametrize(('pause', 'level'), [(1.0, OK), (3.0, WARN), (11.0, ERROR)])
def test_silence_is_a_warning_and_then_an_error(pause: float, level: Level) -> None:
    bench = Bench()
    bench.feed('image', 20.0, 15.0)
    bench.now += pause
    report = bench.image()
    assert report.level == level
    if level:
        assert 'no message for' in report.message and 'camera' in report.message
        assert report.problems[0].key == 'silent'
    bench.feed('image', 12.0, 15.0)
    assert bench.image().level == OK


def test_nobody_who_publishes_is_a_warning_that_tells_what_to_do() -> None:
    bench = Bench()
    assert bench.image([]).level == OK  # it has just begun
    bench.now += 60.0
    report = bench.image([])
    assert report.level == WARN and 'parameter' in report.message
    sparse = check_input('transcript', [], bench.meter, HealthLimits(), sparse=True)
    assert sparse.level == OK  # nobody speaks
    assert 'usable' in bench.image([]).values and 'usable' not in sparse.values  # not counted


def test_a_publisher_that_cannot_be_read_is_not_taken_for_none() -> None:
    bench = Bench()
    bench.now += 60.0
    why = '/imu: sensor_msgs/msg/Imu is not supported here; expected {one of these}'
    report = check_input('image', [], bench.meter, HealthLimits(), sparse=False, refusal=why)
    assert report.level == WARN and report.message == why


def test_messages_of_no_use_for_long_are_a_warning_with_the_reason() -> None:
    bench = Bench()

    def sends(problem: str, seconds: float) -> Report:
        for _ in range(round(seconds * 10)):
            bench.feed('image', 0.1, 10.0)
            bench.meter.record_quality('image', problem)
        return bench.image()

    assert sends('', 20.0).level == OK
    assert sends('{black}', 29.0).level == OK
    report = sends('{black}', 5.0)
    assert report.level == WARN and report.message == 'nothing usable for 34 s: {black}'
    assert report.values['usable'] == '200' and report.values['unusable'] == '340'
    assert report.values['received'] == '540' and report.problems[0].key == 'unusable'
    assert sends('', 0.1).level == OK
    assert sends('{black}', 20.0).level == OK
    bench.now += 60.0
    assert 'no message' in bench.image().message and 'usable' not in bench.image().message


@pytest.mark.parametrize(('rate', 'level'), [(15.0, OK), (2.0, WARN), (0.3, ERROR)])
def test_a_slow_camera_is_noticed(rate: float, level: Level) -> None:
    bench = Bench()
    bench.feed('image', 30.0, rate)
    assert bench.image().level == level


@pytest.mark.parametrize(('dropped', 'level'), [(0, OK), (5, OK), (30, WARN), (90, ERROR)])
def test_drops_are_judged_by_their_share(dropped: int, level: Level) -> None:
    bench = Bench()
    bench.feed('image', 10.0, 15.0)
    for _ in range(dropped):
        bench.meter.record_drops('image', 1)
    report = bench.image()
    assert report.level == level and report.values['dropped'] == str(dropped)


@pytest.mark.parametrize(('skew', 'level'), [(0.1, OK), (0.9, WARN), (-0.9, WARN), (7.0, ERROR)])
def test_clocks_that_are_apart_are_noticed(skew: float, level: Level) -> None:
    bench = Bench()
    assert check_skew(bench.meter, HealthLimits(), {}).level == OK
    bench.feed('audio', 5.0, 10.0, lag=0.05)
    bench.feed('image', 5.0, 10.0, lag=0.05 + skew)
    report = check_skew(bench.meter, HealthLimits(), {})
    assert report.level == level
    told = float(report.values['images stamped behind audio [s]'])
    assert told == pytest.approx(skew, abs=1e-3)


def test_gaps_errors_and_late_estimates_are_noticed() -> None:
    bench = Bench()
    bench.feed('audio', 5.0, 10.0)
    bench.meter.record_fault('audio_gap')
    bench.meter.record_fault('transcript_empty')  # is none
    report = check_input('audio', TOPICS, bench.meter, HealthLimits(), sparse=False)
    assert report.level == WARN and report.values['gaps'] == '1'
    for latency in (0.2, 0.3, 3.0):
        bench.meter.record_estimate(estimate(), latency)
    bench.meter.record_estimate(estimate(final=False), 60.0)
    bench.meter.record_stage('fusion', 0.004)
    report = check_recognition(bench.meter, HealthLimits())
    assert report.level == WARN and report.problems[0].key == 'latency'
    assert report.values['final estimates'] == '3'
    assert report.values['final latency [ms] p50'] == '300.0'
    assert report.values['fusion [ms] p95'] == '4.0'
    bench.meter.record_fault('ZeroDivisionError')
    assert check_recognition(bench.meter, HealthLimits()).level == ERROR
    bench.now += 11.0
    assert check_recognition(bench.meter, HealthLimits()).level == OK


def test_the_start_of_the_process_is_known() -> None:
    code = ('import time; time.sleep(1.0); from mmer_ros.nodes.health.process_usage import '
            'started_at; print(started_at())')
    before = time.time()
    printed = run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout
    assert before - 0.1 <= float(printed) <= time.time() - 0.9


def test_a_slow_network_is_named_where_it_is_the_network() -> None:
    bench = Bench()
    for seconds in (0.0, 0.1, 25.0):
        bench.meter.record_arrival('part', 0.2 + seconds)
        bench.meter.record_transit(seconds)
        bench.meter.record_estimate(estimate(), 0.3 + seconds)
    parts = check_parts('/utterance_parts', 1, {'hall': PartCounts(90, 2, 1, 7)}, bench.meter,
                        HealthLimits())
    assert parts.level == ERROR and parts.problems[0].key == 'transit'
    assert 's on the way: check the network' in parts.message
    assert parts.values['hall: received, lost, repeated'] == '90, 2, 1'
    assert parts.values['hall: sent before the first received'] == '7'
    recognition = check_recognition(bench.meter, HealthLimits())
    assert 'check the network' in recognition.message
    assert 'smaller bundle' not in recognition.message


def test_a_slow_computer_is_named_where_the_network_is_quick() -> None:
    bench = Bench()
    bench.meter.record_transit(0.1)
    bench.meter.record_estimate(estimate(), 3.0)
    assert check_parts('/p', 1, {}, bench.meter, HealthLimits()).level == OK
    assert 'smaller bundle' in check_recognition(bench.meter, HealthLimits()).message


def test_a_limit_of_zero_is_never_passed() -> None:
    limits = HealthLimits(silent_warn_s=0, silent_error_s=0, image_rate_warn=0, image_rate_error=0)
    bench = Bench()
    bench.feed('image', 5.0, 10.0)
    bench.now += 1e6
    assert check_input('image', TOPICS, bench.meter, limits, sparse=False).level == OK


# ---------------------------------------------------------------- over DDS


def test_it_reports_in_every_state(tmp_path: Path) -> None:
    bundle = tiny(tmp_path)
    with running(activate=False, bundle='no/such/bundle') as rig:
        health = Health(rig.talker.node)
        assert health.shows('node', OK, 'unconfigured')
        assert {name: status.level[0] for name, status in health.received[-1].items()} == {
            'node': OK, 'image': STALE, 'audio': STALE, 'transcript': STALE, 'clocks': STALE,
            'recognition': STALE}
        rig.node.trigger_configure()
        assert health.shows('node', ERROR, 'no/such/bundle')
        rig.node.set_parameters([Parameter('bundle', value=bundle)])
        rig.node.trigger_configure()
        assert health.shows('node', OK, 'inactive', {
            'bundle': 'tiny', 'bundle hash': Bundle.load(bundle).content_hash})
        assert float(health.value('node', 'memory [MB]')) > 100
        assert health.shows('recognition', STALE)
        rig.node.trigger_activate()
        assert health.shows('recognition', OK) and health.shows('node', text='active')
        rig.node.enable(False)
        assert health.shows('image', STALE, 'disabled')


def test_reports_come_even_while_a_callback_takes_its_time(tmp_path: Path) -> None:
    with running(bundle=tiny(tmp_path)) as rig:
        context = rclpy.Context()
        context.init()
        reader = rclpy.create_node('reader', context=context)
        health = Health(reader)
        goes_on, blocked = threading.Event(), threading.Event()

        def callback() -> None:
            blocked.set()
            goes_on.wait()

        with spinning(context, reader):
            assert health.shows('node', OK)
            rig.node.create_timer(0.01, callback)
            assert blocked.wait(60.0)
            before = len(health.received)
            assert eventually(lambda: len(health.received) >= before + 3)
            goes_on.set()


def test_an_untrained_bundle_is_a_warning(tmp_path: Path) -> None:
    with running(bundle=tiny(tmp_path, trained=False, calibrated=False)) as rig:
        assert Health(rig.talker.node).shows('node', WARN, 'untrained')


def keeps(rig: Rig, kind: str, make: Callable[[float], object], until: Callable[[], bool],
          period_s: float = 0.05, timeout_s: float = 120.0) -> bool:
    """Publish now and then until something holds."""
    begin = time.monotonic()
    while not until():
        if time.monotonic() - begin > timeout_s:
            return False
        rig.talker.publishers[kind].publish(make(time.time()))
        time.sleep(period_s)
    return True


def speak(rig: Rig, begin: float, end: float) -> None:
    """Play a part of the sample's audio (seconds) as if it were captured now."""
    messages = [m for m in recorded(end) if m[1] == 'audio']
    first = messages[0][0] + begin
    shift = time.time() - first
    for moment, _, message in messages:
        if moment >= first:
            time.sleep(max(0.0, moment + shift - time.time()))
            samples = np.asarray(message.samples, np.int16)
            rig.talker.publishers['audio'].publish(chunk(samples, moment + shift))


def test_a_camera_that_dies_and_returns_is_told_once_each(tmp_path: Path, capfd) -> None:
    with running(bundle=tiny(tmp_path), audio_topic='audio', **QUICK) as rig:
        health = Health(rig.talker.node)
        assert keeps(rig, 'image', picture, lambda: health.level('image') == OK and
                     float(health.value('image', 'rate [Hz]')) > 0)
        assert health.shows('image', ERROR, 'no message for')
        assert eventually(lambda: 'image_silent' in health.value('node', 'faults'))
        assert keeps(rig, 'image', picture, lambda: health.level('image') == OK)
        assert eventually(lambda: 'image_silent' not in rig.node._events.current)
    said = capfd.readouterr().err.splitlines()
    about = [line for line in said if 'image: no message for' in line]
    begins = ['WARN' in line for line in about]  # a slow computer may be a slow camera
    assert begins == [True, False] * (len(about) // 2) and about
    assert all('cleared after' in line for line in about[1::2])


def test_a_topic_of_another_type_is_named_on_diagnostics(tmp_path: Path) -> None:
    with running(bundle=tiny(tmp_path), activate=False, image_topic='cloud', **QUICK) as rig:
        rig.talker.node.create_publisher(PointCloud2, 'cloud', 5)
        rig.node.trigger_configure()
        rig.node.trigger_activate()
        assert Health(rig.talker.node).shows(
            'image', WARN, '/cloud: sensor_msgs/msg/PointCloud2 is not supported here')


@pytest.mark.parametrize(('kind', 'make', 'reason'), [
    ('audio', lambda stamp: chunk(np.zeros(800), stamp), 'silent to the last bit'),
    ('audio', lambda stamp: AudioChunk(sample_rate=8, channels=1, samples=[1]), 'sample rate 8'),
    ('image', lambda stamp: picture(stamp), 'a single colour'),
    ('image', lambda stamp: jpeg(stamp, b'no image'), 'cannot be decoded')])
def test_an_input_that_sends_nothing_of_use_is_a_warning(
        tmp_path: Path, kind: str, make: Callable[[float], object], reason: str) -> None:
    image_type = CompressedImage if 'decoded' in reason else Image
    with running(image_type, bundle=tiny(tmp_path), **QUICK | {
            'health.unusable_warn_s': 1.0}) as rig:
        health = Health(rig.talker.node)
        assert keeps(rig, kind, make, lambda: health.level(kind) == WARN and (
            reason in health.latest(kind).message))
        assert int(health.value(kind, 'received')) and health.value(kind, 'usable') == '0'
        assert eventually(lambda: f'{kind}_unusable' in health.value('node', 'faults'))


def test_a_microphone_that_stalls_in_mid_speech_ends_the_utterance() -> None:
    with running(**{**QUICK, 'segmenter.stall_s': 0.4}) as rig:
        health = Health(rig.talker.node)
        speak(rig, 0.9, 2.4)  # somebody is speaking then
        assert eventually(lambda: len(rig.talker.estimates) >= 1)
        assert rig.talker.estimates[0].final
        assert eventually(lambda: rig.counts().get('audio_stalled', 0) >= 1)
        assert health.shows('audio', ERROR)
        silence = np.zeros(1600, np.int16)
        assert keeps(rig, 'audio', lambda now: chunk(silence, now - 0.1),
                     lambda: health.level('audio') == OK, period_s=0.1)


def test_words_that_come_after_the_estimate_revise_it() -> None:
    messages = [m for m in recorded(4.4) if m[1] == 'audio']
    with running(use_sim_time=True, audio_reliability='reliable') as rig:
        step = InStep(rig.talker, rig.node)
        step.play(rig.talker, messages)
        assert eventually(lambda: len(rig.talker.estimates) == 1)
        step.set_time(messages[-1][0] + 0.5)
        rig.talker.publishers['transcript'].publish(String(data='That is wonderful!'))
        assert eventually(lambda: len(rig.talker.estimates) == 2)
        first, second = rig.talker.estimates
        assert first.utterance_id == second.utterance_id
        assert [(e.final, e.revision, e.modalities) for e in (first, second)] == [
            (True, 0, 2), (True, 1, 3)]


@pytest.mark.parametrize('stamps', ['auto', 'header'])
def test_a_camera_clock_that_is_behind_is_compensated_or_an_error(
        tmp_path: Path, stamps: str) -> None:
    silence = np.zeros(800, np.int16)
    with running(bundle=tiny(tmp_path), stamps=stamps, **QUICK) as rig:
        health = Health(rig.talker.node)

        def both(now: float) -> object:
            rig.talker.publishers['audio'].publish(chunk(silence, now - 0.05))
            return picture(now - 3.0)

        level = {'auto': WARN, 'header': ERROR}[stamps]
        assert keeps(rig, 'image', both, lambda: health.level('clocks') == level)
        skew = float(health.value('clocks', 'images stamped behind audio [s]'))
        if stamps == 'auto':
            assert 2.5 < float(health.value('clocks', 'added to the stamps of image [s]')) < 3.5
            assert abs(skew) < 0.5
        else:
            assert 2.5 < skew < 3.5


def test_in_a_flood_of_large_images_the_latest_win_and_the_others_are_counted(
        tmp_path: Path) -> None:
    """Every image is due to be looked at, and they come faster than that is done."""
    noise = np.random.default_rng(0).integers(0, 255, (68, 120, 3), dtype=np.uint8)
    data = cv2.imencode('.jpg', cv2.resize(noise, (1920, 1080)))[1].tobytes()
    count = 60
    with running(CompressedImage, bundle=tiny(tmp_path), image_transport='compressed',
                 image_reliability='reliable', image_depth=100, use_sim_time=True,
                 **{'health.drops_error': 0.1}) as rig:
        health = Health(rig.talker.node)
        publish = rig.talker.publishers['image'].publish
        seen: list[float] = []
        all_are_there = threading.Event()
        on_faces = rig.node._pipeline._on_faces

        def slowly(frame: VideoFrame, crops: object) -> None:
            seen.append(frame.stamp)
            on_faces(frame, crops)
            all_are_there.wait()  # a fast computer would keep up

        rig.node._pipeline._on_faces = slowly
        stamps = [1000.0 + 0.25 * i for i in range(count)]  # each in a slot of its own
        for stamp in stamps:
            publish(jpeg(stamp, data))
            time.sleep(1 / 30)
        (images,) = (t for t in rig.node._session.inputs.topics if t.spec.kind == 'image')
        assert eventually(lambda: images.received == count)
        all_are_there.set()
        assert eventually(lambda: bool(seen) and seen[-1] == stamps[-1])
        dropped = rig.node._session.inbox.dropped['image']
        assert seen == sorted(seen) and dropped > 0
        assert len(seen) + dropped == count
        assert health.shows('image', ERROR, 'dropped')
        assert eventually(lambda: rig.counts().get('image_dropped') == dropped)
