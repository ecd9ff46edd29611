# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Clocks that differ between sensors: a constant offset is found, and only that."""

from __future__ import annotations

from collections.abc import Callable

from mmer_ros.sensing.clock_offsets import ClockOffsets
import numpy as np
import pytest

NOW = 1_700_000_000.0
OFFSETS = (-1.7e9 + 12.3, -37.0, -5.0, -1.2, 1.2, 2.0, 5.0)  # of stamps, seconds

Stamp = Callable[[float], float]  # seconds of the stream -> stamp


class Sensors:
    """A camera at 15 Hz and a microphone that sends 10 times a second, with their delays."""

    def __init__(self, *, image: Stamp = lambda t: NOW + t, audio: Stamp = lambda t: NOW + t,
                 image_late: float = 0.03, audio_late: float = 0.005, jitter: float = 0.004,
                 speed: float = 1.0, limit_s: float = 0.5) -> None:
        self.changes: list[tuple[str, float]] = []
        self.shifts: dict[str, list[float]] = {'image': [], 'audio': []}
        self.offsets = ClockOffsets(limit_s, lambda *change: self.changes.append(change))
        self._makers = {'image': (image, image_late, 15), 'audio': (audio, audio_late, 10)}
        self._jitter = jitter
        self._speed = speed
        self._random = np.random.default_rng(0)

    def run(self, seconds: float, start: float = 0.0, **begins: float) -> Sensors:
        """Let time pass; an input may begin later."""
        events = []
        for name, (make, late, rate) in self._makers.items():
            for number in range(round(seconds * rate)):
                moment = start + number / rate
                if moment >= begins.get(name, 0.0):
                    arrival = NOW + (moment + late + self._jitter * self._random.random()
                                     ) / self._speed
                    events.append((arrival, name, make(moment)))
        for arrival, name, stamp in sorted(events):
            self.offsets.push(name, stamp, arrival, self.shifts[name].append)
        return self


def shifted(by: float) -> Stamp:
    return lambda t: NOW + t + by


@pytest.mark.parametrize('by', OFFSETS)
@pytest.mark.parametrize('name', ['image', 'audio'])
def test_an_offset_is_compensated_from_the_first_message_on(name: str, by: float) -> None:
    sensors = Sensors(**{name: shifted(by)}).run(3.0)  # type: ignore[arg-type]
    other = 'audio' if name == 'image' else 'image'
    shift, = set(sensors.shifts[name])
    assert shift == pytest.approx(-by, abs=0.05)
    assert len(sensors.shifts[name]) == (45 if name == 'image' else 30)  # none is lost
    assert set(sensors.shifts[other]) == {0.0}
    assert sensors.changes == [(name, shift)]


@pytest.mark.parametrize('seed', range(5))
def test_jitter_of_arrivals_does_not_reach_the_shift(seed: int) -> None:
    sensors = Sensors(image=shifted(-5.0))
    sensors._random = np.random.default_rng(seed)
    assert sensors.run(2.0).offsets.shift('image') == 5.0


@pytest.mark.parametrize(('image_late', 'audio_late'), [
    (0.0, 0.0), (0.4, 0.0), (0.0, 0.4), (0.3, 0.9)])
def test_what_is_a_little_late_is_left_as_it_is(image_late: float, audio_late: float) -> None:
    sensors = Sensors(image_late=image_late, audio_late=audio_late).run(8.0)
    assert set(sensors.shifts['image']) == set(sensors.shifts['audio']) == {0.0}
    assert sensors.changes == []


def test_images_are_left_as_they_are_within_a_larger_limit() -> None:
    assert Sensors(image_late=1.4, limit_s=1.5).run(8.0).changes == []
    assert Sensors(image_late=1.4).run(8.0).changes == [('image', 1.4)]


@pytest.mark.parametrize('speed', [1.0, 2.0, 10.0])
@pytest.mark.parametrize('ago', [-3600.0, 600.0, 1e8])
def test_a_recording_that_is_played_keeps_its_stamps(ago: float, speed: float) -> None:
    """Camera and microphone agree; the clock of the node need not."""
    sensors = Sensors(image=shifted(-ago), audio=shifted(-ago), speed=speed).run(8.0)
    assert sensors.changes == []
    assert len(sensors.shifts['image']) == 120 and len(sensors.shifts['audio']) == 80


@pytest.mark.parametrize('by', [-5.0, -1.2, 2.0])
def test_within_a_recording_that_is_played_the_audio_is_right(by: float) -> None:
    sensors = Sensors(image=shifted(by - 1e8), audio=shifted(-1e8)).run(3.0)
    assert sensors.changes == [('image', -by)]


@pytest.mark.parametrize('only', ['image', 'audio'])
@pytest.mark.parametrize(('by', 'shift'), [(-37.0, 37.0), (-1e8, 0.0)])
def test_a_sensor_alone_is_moved_unless_it_may_be_of_a_recording(only: str, by: float,
                                                                 shift: float) -> None:
    sensors = Sensors(image=shifted(by), audio=shifted(by))
    sensors._makers = {only: sensors._makers[only]}
    assert set(sensors.run(3.0).shifts[only]) == {shift}


@pytest.mark.parametrize('by', [-5.0, 1.2, 37.0])
def test_both_sensors_may_be_wrong(by: float) -> None:
    sensors = Sensors(image=shifted(by), audio=shifted(-2.0)).run(3.0)
    assert sorted(sensors.changes) == [('audio', 2.0), ('image', -by)]


@pytest.mark.parametrize('first', ['image', 'audio'])
def test_a_sensor_that_begins_later_is_compared_then(first: str) -> None:
    later = 'audio' if first == 'image' else 'image'
    sensors = Sensors(image=shifted(-37)).run(12.0, **{later: 5.0})
    assert sensors.changes == [('image', 37.0)]
    count = len(sensors.shifts['image'])
    assert set(sensors.shifts['image'][-count // 2:]) == {37.0}


def test_a_backlog_at_the_start_is_no_offset() -> None:
    """The first images waited while the node started."""
    sensors = Sensors()
    for number in range(30):
        sensors.offsets.push('image', NOW - 2.0 + number / 15, NOW, sensors.shifts['image'].append)
    sensors.run(3.0)
    assert sensors.changes == []
    assert len(sensors.shifts['image']) == 30 + 45 and set(sensors.shifts['image']) == {0.0}


def test_a_burst_in_mid_stream_is_no_offset() -> None:
    sensors = Sensors().run(5.0)
    for number in range(60):  # 4 s at once
        sensors.offsets.push('image', NOW + 5 + number / 15, NOW + 9,
                             sensors.shifts['image'].append)
    sensors.run(5.0, start=9.0)
    assert sensors.changes == []


def test_a_single_message_from_another_time_is_no_offset() -> None:
    sensors = Sensors().run(5.0)
    for away in (-60.0, 5.0, 1e9):
        sensors.offsets.push('image', NOW + 5 + away, NOW + 5, lambda shift: None)
    assert sensors.run(5.0, start=5.0).changes == []


def test_a_clock_that_is_set_in_mid_stream_is_followed() -> None:
    sensors = Sensors(image=lambda t: NOW + t + (37.0 if t > 10 else 0.0)).run(20.0)
    assert sensors.changes == [('image', -37.0)]


def test_a_recording_that_begins_again_is_no_offset() -> None:
    """Its stamps jump back for both sensors, from one message to the next."""
    def looped(t: float) -> float:
        return NOW + t % 8.0

    sensors = Sensors(image=looped, audio=looped).run(24.0)
    assert sensors.changes == []


def test_frozen_stamps_are_no_offset() -> None:
    assert Sensors(image=lambda t: NOW - 60.0).run(10.0).changes == []


def test_a_sensor_whose_stamps_mean_nothing_is_placed_by_arrival_and_forgotten() -> None:
    """An audio whose stamps stand still, beside a camera whose clock is right."""
    sensors = Sensors(audio=lambda t: 1000.0)
    sensors.run(0.5)
    sensors.offsets.forget('audio')
    assert [1000.0 + shift for shift in sensors.shifts['audio']] == pytest.approx(
        [NOW + tenth / 10 for tenth in range(5)], abs=0.02)
    sensors._makers.pop('audio')
    sensors.run(5.0, start=0.5)
    assert set(sensors.shifts['image']) == {0.0} and sensors.changes == []
    sensors.offsets.forget('audio')  # again: nothing is left of it


def test_what_is_held_back_can_be_had_at_the_end() -> None:
    sensors = Sensors(image=shifted(-37)).run(0.2)
    assert sensors.shifts['image'] == []
    sensors.offsets.flush()
    assert sensors.shifts['image'] == 3 * [0.0]


def test_the_sentence_names_input_and_amount() -> None:
    text = ClockOffsets.describe('image', -1.2)
    assert text.startswith('image: the stamps are 1.2 s ahead of') and '-1.2 s is added' in text
    assert 'stamps to header' in text


def test_what_is_held_back_is_handed_on_though_its_input_has_ended() -> None:
    offsets, taken = ClockOffsets(), []
    for tenth in range(3):
        offsets.push('image', 10 + tenth / 10, 500 + tenth / 10, taken.append)
    offsets.advance(500.9)
    assert not taken
    offsets.advance(501.1)
    assert taken == [0.0] * 3
    other = ClockOffsets()
    other.push('audio', 10.0, 500.0, taken.append)
    other.push('image', 501.0, 501.05, lambda shift: None)
    assert len(taken) == 4
