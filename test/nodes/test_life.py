# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The life of the node: states, services, parameters, jumps of time, its end; over real DDS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import gc
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time
import weakref

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from lifecycle_msgs.msg import State
from mmer_msgs.msg import AudioChunk, EmotionEstimate
from mmer_msgs.srv import LoadBundle
from mmer_ros.networks.text_encoder import TextEncoderConfig
from mmer_ros.nodes import bundle_loader
from mmer_ros.nodes.conversions import to_seconds, to_time
from mmer_ros.nodes.emotion_node import EmotionNode
from mmer_ros.nodes.executables import main
from mmer_ros.nodes.health.process_usage import resident_mb
from mmer_ros.nodes.tools.playback import spinning
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.runtime.inbox import Inbox, Item
from mmer_ros.settings import parameters
import numpy as np
import rclpy
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
import torch

from ..fixtures.model import TINY, tiny_bundle
from ..fixtures.node import call, tiny
from ..fixtures.ros import eventually, InStep, own_domain, play, recorded, Rig, running


def say(rig: Rig, text: str) -> None:
    rig.talker.publishers['transcript'].publish(String(data=text))


def hears(rig: Rig, count: int) -> bool:
    return eventually(lambda: len(rig.talker.estimates) == count)


def state(rig: Rig) -> int:
    return rig.node._state_machine.current_state[0]


# ---------------------------------------------------------------- services


def test_a_disabled_node_hears_nothing_until_it_is_enabled(tmp_path: Path) -> None:
    with running(bundle=tiny(tmp_path)) as rig:
        assert call(rig, SetBool, 'enable', data=True).message == 'it was enabled already'
        assert call(rig, SetBool, 'enable', data=False).message == 'disabled'
        assert eventually(lambda: not any(
            p.get_subscription_count() for p in rig.talker.publishers.values()))
        say(rig, 'Nobody listens.')
        assert state(rig) == State.PRIMARY_STATE_ACTIVE
        assert call(rig, SetBool, 'enable', data=True).success
        assert eventually(rig.talker.matched)
        say(rig, 'Now they do.')
        assert hears(rig, 1)
        assert rig.node.trigger_deactivate().name == 'SUCCESS'
        assert 'not active' in call(rig, SetBool, 'enable', data=False).message
        assert rig.node.trigger_activate().name == 'SUCCESS'
        time.sleep(0.6)  # it would have subscribed by now
        assert not any(p.get_subscription_count() for p in rig.talker.publishers.values())


def test_disabling_in_mid_speech_finishes_the_utterance() -> None:
    messages = [m for m in recorded(2.6) if m[1] == 'audio']  # somebody is speaking
    with running() as rig:
        play(rig.talker, messages, rate=2.0)
        assert eventually(lambda: rig.node._pipeline.speaking)
        assert call(rig, SetBool, 'enable', data=False).success
        assert hears(rig, 1)
        assert rig.talker.estimates[0].final


def test_reset_history_begins_a_new_dialogue(tmp_path: Path) -> None:
    """The same words after it give the same probabilities as at first; without it others."""
    with running(bundle=tiny(tmp_path)) as rig:
        for count, text in enumerate(('Hello.', 'Hello.'), 1):
            say(rig, text)
            assert hears(rig, count)
        assert call(rig, Trigger, 'reset_history').success
        say(rig, 'Hello.')
        assert hears(rig, 3)
        first, second, third = (list(e.probabilities) for e in rig.talker.estimates)
        assert first == third != second
    with running(activate=False) as rig:
        refused = call(rig, Trigger, 'reset_history')
        assert not refused.success and 'not configured' in refused.message


def test_another_bundle_takes_over_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    one, other = tiny(tmp_path, 1), tiny(tmp_path, 2)
    hashes = [Bundle.load(name).content_hash for name in (one, other)]
    with running(bundle=one) as rig:
        say(rig, 'Before.')
        assert hears(rig, 1)
        for wrong in ('no/such/bundle', ''):
            refused = call(rig, LoadBundle, 'load_bundle', bundle=wrong)
            assert not refused.success and refused.hash == '' and refused.message
        say(rig, 'Still the old one.')
        assert hears(rig, 2)
        loaded = call(rig, LoadBundle, 'load_bundle', bundle=other)
        assert loaded.success, loaded.message
        assert loaded.hash == hashes[1]
        say(rig, 'After.')
        assert hears(rig, 3)
        assert [e.bundle_hash for e in rig.talker.estimates] == [hashes[0]] * 2 + [hashes[1]]
        assert rig.node.get_parameter('bundle').value == other
        assert rig.node.trigger_deactivate().name == 'SUCCESS'
        assert call(rig, LoadBundle, 'load_bundle', bundle=one).hash == hashes[0]
        assert rig.node.trigger_cleanup().name == 'SUCCESS'
        refused = call(rig, LoadBundle, 'load_bundle', bundle=one)
        assert not refused.success and 'not configured' in refused.message


def test_while_a_bundle_loads_the_node_goes_on(tmp_path: Path, monkeypatch) -> None:
    bundle, goes_on = tiny(tmp_path), threading.Event()
    load = bundle_loader.load_bundle

    def slow(*what: str) -> bundle_loader.LoadedBundle:
        assert goes_on.wait(300)
        return load(*what)

    monkeypatch.setattr(bundle_loader, 'load_bundle', slow)
    with running(bundle=bundle) as rig:
        client = rig.talker.node.create_client(LoadBundle, 'emotion/load_bundle')
        assert client.wait_for_service(60.0)
        first = client.call_async(LoadBundle.Request(bundle=bundle))
        assert eventually(lambda: rig.node._bundle_service.loading)
        second = call(rig, LoadBundle, 'load_bundle', bundle=bundle)
        assert not second.success and 'being loaded' in second.message
        say(rig, 'Meanwhile.')
        assert hears(rig, 1) and not first.done()
        assert rig.node.trigger_deactivate().name == 'SUCCESS'
        assert rig.node.trigger_cleanup().name == 'SUCCESS'
        goes_on.set()
        assert eventually(first.done)
        assert not first.result().success  # the node was cleaned up meanwhile
        assert rig.node._pipeline is None


def test_a_pinned_hash_holds_for_bundles_that_are_loaded_later(tmp_path: Path) -> None:
    one, other = tiny(tmp_path, 1), tiny(tmp_path, 2)
    pinned = Bundle.load(one).content_hash
    with running(bundle=one, bundle_hash=pinned) as rig:
        refused = call(rig, LoadBundle, 'load_bundle', bundle=other)
        assert not refused.success and pinned[:8] in refused.message


def test_only_bundles_of_the_allowed_folders_are_loaded(tmp_path: Path) -> None:
    (tmp_path / 'allowed').mkdir()
    one, other = tiny(tmp_path / 'allowed', 1), tiny(tmp_path, 2)
    with running(bundle=one, bundle_folders=str(tmp_path / 'allowed')) as rig:
        for wrong in (other, str(tmp_path), '/etc', '\x1b[31m' * 100_000):
            refused = call(rig, LoadBundle, 'load_bundle', bundle=wrong)
            assert not refused.success and 'bundle_folders' in refused.message
            assert refused.message.isprintable() and len(refused.message) < 1000
        assert call(rig, LoadBundle, 'load_bundle', bundle=one).success
    with running(bundle=other, activate=False, bundle_folders=str(tmp_path / 'allowed')) as rig:
        assert rig.node.trigger_configure().name == 'FAILURE'


# ---------------------------------------------------------------- memory


def test_cleanup_gives_the_memory_of_the_model_back(tmp_path: Path) -> None:
    """To the system, not to the allocator only."""
    text = TextEncoderConfig(vocab_size=261, n_positions=128, n_embd=768, n_layer=6, n_head=4)
    path = tmp_path / 'large'
    tiny_bundle(model=TINY.model_copy(update={'text': text})).save(path)
    size = (path / 'model.safetensors').stat().st_size / 1e6
    assert size > 150
    with running(activate=False, bundle=str(path)) as rig:
        levels = []
        for _ in range(2):
            rig.node.trigger_configure()
            recognizer = weakref.ref(rig.node._pipeline.recognizer)
            configured = resident_mb()
            rig.node.trigger_activate()
            assert eventually(rig.talker.matched)
            say(rig, 'Say something to remember.')
            assert eventually(lambda: bool(rig.talker.estimates))
            rig.node.trigger_deactivate()
            rig.node.trigger_cleanup()
            gc.collect()
            assert recognizer() is None
            levels.append((configured, resident_mb()))
        for configured, cleaned in levels:
            assert configured - cleaned > 0.8 * size
        assert abs(levels[1][1] - levels[0][1]) < 0.2 * size  # nothing piles up


def test_bundles_that_are_refused_leave_no_memory_behind(tmp_path: Path) -> None:
    """Their networks are built before the first run shows that they give no numbers."""
    text = TextEncoderConfig(vocab_size=261, n_positions=128, n_embd=768, n_layer=6, n_head=4)
    useless = tiny_bundle(model=TINY.model_copy(update={'text': text}))
    with torch.no_grad():
        useless.model.text.gpt.tokens_embed.weight.fill_(1e38)
    Bundle.create(useless.config, useless.model, useless.tokenizer, '').save(tmp_path / 'large')
    size = (tmp_path / 'large' / 'model.safetensors').stat().st_size / 1e6
    del useless
    with running(bundle=tiny(tmp_path)) as rig:
        levels = []
        for _ in range(6):
            refused = call(rig, LoadBundle, 'load_bundle', bundle=str(tmp_path / 'large'))
            assert not refused.success and 'not finite' in refused.message
            levels.append(resident_mb())
        print(levels)
        assert levels[-1] - levels[0] < 0.5 * size  # nothing piles up
        say(rig, 'The old one is still there.')
        assert hears(rig, 1)


def held() -> tuple[int, int]:
    """Return how many files are open and how many threads there are in this process."""
    gc.collect()
    return len(os.listdir('/proc/self/fd')), len(os.listdir('/proc/self/task'))


def test_publishers_that_come_and_go_leave_nothing_behind(tmp_path: Path) -> None:
    with running(activate=False, bundle=tiny(tmp_path), transcript_topic='words',
                 audio_topic='voice', image_topic='') as rig:
        assert rig.node.trigger_configure() == rig.node.trigger_activate()
        levels = []
        for _ in range(50):
            node = rclpy.create_node('passer', context=rig.talker.node.context)
            publishers = [node.create_publisher(kind, topic, 5) for kind, topic in (
                (String, 'words'), (AudioChunk, 'voice'))]
            assert eventually(lambda p=publishers: all(x.get_subscription_count() for x in p))
            node.destroy_node()
            levels.append(held())
        assert levels[-1][0] <= levels[3][0] + 4 and levels[-1][1] <= levels[3][1] + 4, levels


def test_lives_of_the_node_leave_nothing_behind(tmp_path: Path) -> None:
    with running(activate=False, bundle=tiny(tmp_path)) as rig:
        levels, memory = [], []
        for _ in range(20):
            for transition in ('configure', 'activate', 'deactivate', 'cleanup'):
                assert getattr(rig.node, f'trigger_{transition}')().name == 'SUCCESS'
            levels.append(held())
            memory.append(resident_mb())
        assert levels[-1][0] <= levels[3][0] + 4 and levels[-1][1] <= levels[3][1] + 4, levels
        assert memory[-1] - memory[3] < 60, memory  # MB; a bundle and its detector take more


# ---------------------------------------------------------------- parameters


def test_a_change_takes_effect_or_is_refused_with_the_reason(tmp_path: Path) -> None:
    with running(bundle=tiny(tmp_path)) as rig:
        def change(name: str, value: object) -> str:
            result = rig.node.set_parameters([Parameter(name, value=value)])[0]
            return result.reason if not result.successful else ''
        for name, parameter in parameters(node='emotion').items():
            reason = change(name, rig.node.get_parameter(name).value)
            assert bool(reason) != parameter.live, name
            assert not reason or 'configured' in reason or 'read-only' in reason, reason
        assert change('segmenter.stall_s', 2.0)
        assert change('partial_rate', 50.0)  # out of range
        assert change('health.window_s', 'long')
        assert not change('partial_rate', 2.5) and rig.node._pipeline.partial_rate == 2.5
        assert not change('health.window_s', 5.0)
        assert eventually(lambda: rig.node._meter.window_s == 5.0)
        assert not change('publish_transcript', True)
        say(rig, 'To be seen.')
        assert hears(rig, 1) and rig.talker.estimates[0].transcript == 'To be seen.'


# ---------------------------------------------------------------- time


def test_requests_overtake_messages_and_a_new_era_waits_for_the_old_one() -> None:
    inbox = Inbox({'audio': 10, 'image': 10})
    inbox.enqueue(Item('audio', 100.0, 100.0, 'old'))
    inbox.request(list, new_era=True)
    inbox.enqueue(Item('image', 1.0, 1.0, 'new'))
    inbox.enqueue(Item('audio', 2.0, 2.0, 'new'))
    taken = [inbox.dequeue(0.0)[0] for _ in range(4)]
    assert [(item.kind, item.order) for item in taken[:1] + taken[2:]] == [
        ('audio', 100.0), ('image', 1.0), ('audio', 2.0)]
    assert taken[1].kind == 'request'
    inbox.enqueue(Item('audio', 1.0, 1.0, 'new'))
    inbox.request(list)
    assert inbox.dequeue(0.0)[0].kind == 'request'


def test_messages_that_were_held_back_do_not_fill_a_queue() -> None:
    inbox = Inbox({'image': 2})
    for stamp in range(5):
        inbox.enqueue(Item('image', stamp, stamp, None, held=True))
    for stamp in range(5, 9):
        inbox.enqueue(Item('image', stamp, stamp, None))
    assert [item.stamp for item in inbox.dequeue(0.0, most=20)] == [0, 1, 2, 3, 4, 7, 8]
    assert inbox.dropped == {'image': 2}


def test_when_sim_time_jumps_back_a_new_dialogue_begins(tmp_path: Path) -> None:
    """A robot of words alone: only the clock tells that the recording is looped."""
    def tick(rig: Rig, clock: object, seconds: float) -> None:
        def reached() -> bool:
            clock.publish(Clock(clock=to_time(seconds)))
            time.sleep(0.01)
            return abs(rig.node.get_clock().now().nanoseconds / 1e9 - seconds) < 1e-3
        assert eventually(reached)

    with running(bundle=tiny(tmp_path), use_sim_time=True) as rig:
        clock = rig.talker.node.create_publisher(Clock, '/clock', 10)
        for turn, (seconds, text) in enumerate(
                [(1000.0, 'Hello.'), (1005.0, 'Again.')] * 2, 1):
            tick(rig, clock, seconds)
            say(rig, text)
            assert eventually(
                lambda n=turn: rig.node._session.inputs.topics[-1].received == n)
            for tenth in range(1, 31):  # only as the clock goes on, it is sure that nobody speaks
                tick(rig, clock, seconds + tenth / 10)
                time.sleep(0.05)
            assert hears(rig, turn)
        estimates = rig.talker.estimates
        stamps = [to_seconds(e.header.stamp) for e in estimates]
        assert stamps == pytest.approx([1000.0, 1005.0] * 2, abs=0.3)
        first, second, third, fourth = (list(e.probabilities) for e in estimates)
        assert first == third and second == fourth
        assert rig.counts() == {'time_jump': 1}


def test_a_bag_that_is_looped_with_its_clock_gives_the_same_again() -> None:
    messages = [m for m in recorded(4.5) if m[1] != 'image']
    with running(use_sim_time=True, audio_reliability='reliable') as rig:
        step = InStep(rig.talker, rig.node)
        for turn in (1, 2):
            step.play(rig.talker, messages)
            for later in range(1, 11):  # the time after the last message
                step.set_time(messages[-1][0] + 0.1 * later)
            assert eventually(lambda n=turn: len(rig.talker.estimates) >= n)
        assert rig.counts()['time_jump'] == 1
        first, second = [e for e in rig.talker.estimates if e.revision == 0]
        np.testing.assert_array_equal(first.probabilities, second.probabilities)
        assert first.header.stamp == second.header.stamp


def play_with_a_pause(pause_s: float) -> tuple[list[list[float]], dict[str, int]]:
    """Play speech of the sample by /clock, with a pause of the player in its middle."""
    messages = [m for m in recorded(4.5) if m[1] != 'image']
    middle = next(i for i, m in enumerate(messages) if m[0] - messages[0][0] > 2.6)
    with running(use_sim_time=True, audio_reliability='reliable') as rig:
        step = InStep(rig.talker, rig.node)
        step.play(rig.talker, messages[:middle])
        assert rig.node._pipeline.speaking
        time.sleep(pause_s)
        assert rig.node._pipeline.speaking
        step.play(rig.talker, messages[middle:])
        for later in range(1, 11):  # the time after the last message
            step.set_time(messages[-1][0] + 0.1 * later)
        assert eventually(lambda: any(e.revision == 0 for e in rig.talker.estimates))
        return [[*e.probabilities, to_seconds(e.start), to_seconds(e.end)]
                for e in rig.talker.estimates], rig.counts()


@pytest.mark.slow
def test_a_recording_that_is_paused_gives_the_same_utterances() -> None:
    """No longer than 10 s may stamps and clock be apart; the pause must not count."""
    straight, paused = play_with_a_pause(0.0), play_with_a_pause(12.0)
    assert paused == straight and 'audio_stalled' not in paused[1]


# ---------------------------------------------------------------- company


def test_publishers_may_come_late_and_come_again(tmp_path: Path) -> None:
    with running(activate=False, bundle=tiny(tmp_path), transcript_topic='late') as rig:
        rig.node.trigger_configure()
        rig.node.trigger_activate()
        time.sleep(0.7)  # nobody publishes yet
        for turn in (1, 2):
            late = rig.talker.node.create_publisher(String, 'late', 10)
            assert eventually(lambda p=late: p.get_subscription_count() == 1)
            late.publish(String(data=f'Here I am, number {turn}.'))
            assert hears(rig, turn)
            rig.talker.node.destroy_publisher(late)


@contextmanager
def second_node(rig: Rig, bundle: str) -> Iterator[EmotionNode]:
    """Run a second node beside the first, in a namespace."""
    context = rclpy.Context()
    context.init()
    node = EmotionNode(context=context, namespace='two',
                       parameter_overrides=[Parameter('bundle', value=bundle)])
    with spinning(context, node):
        assert node.trigger_configure().name == node.trigger_activate().name == 'SUCCESS'
        yield node


def test_two_nodes_in_one_domain_do_not_mix(tmp_path: Path) -> None:
    one, other = tiny(tmp_path, 1), tiny(tmp_path, 2)
    with running(bundle=one) as rig, second_node(rig, other):
        heard: list[EmotionEstimate] = []
        rig.talker.node.create_subscription(EmotionEstimate, '/two/emotion', heard.append, 10)
        theirs = rig.talker.node.create_publisher(String, '/two/transcript', 10)
        assert eventually(lambda: theirs.get_subscription_count() == 1)
        assert eventually(lambda: rig.talker.node.count_publishers('/two/emotion') == 1)
        say(rig, 'To the first.')
        theirs.publish(String(data='To the second.'))
        assert hears(rig, 1) and eventually(lambda: len(heard) == 1)
        hashes = [Bundle.load(name).content_hash for name in (one, other)]
        assert [rig.talker.estimates[0].bundle_hash, heard[0].bundle_hash] == hashes


# ---------------------------------------------------------------- the end


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start the executable, its output in one pipe; a shell may have told us to ignore SIGINT."""
    own_domain()
    command = [sys.executable, '-m', 'mmer_ros.nodes.executables', 'emotion', *arguments]
    return subprocess.Popen(command, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True,
                            env={**os.environ, 'PYTHONUNBUFFERED': '1'},
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def until(process: subprocess.Popen[str], text: str) -> str:
    """Read until something is said, and return all that was."""
    said = ''
    for line in process.stdout:
        said += line
        if text in line:
            break
    return said


def interrupt(process: subprocess.Popen[str], said: str = '',
              number: signal.Signals = signal.SIGINT) -> str:
    """Interrupt; it must end by itself, well and quietly. Return how long it took."""
    begin = time.monotonic()
    process.send_signal(number)
    try:
        said += process.communicate(timeout=120)[0]
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert 'Traceback' not in said and 'rror' not in said, said
    print(f'ended after {time.monotonic() - begin:.2f} s')
    return said


def test_an_interrupt_while_it_starts_is_no_traceback() -> None:
    process = start()
    maps = Path(f'/proc/{process.pid}/maps')
    assert eventually(lambda: 'numpy' in maps.read_text())  # it imports what takes long
    interrupt(process)


@pytest.mark.slow
def test_an_interrupt_while_a_model_loads_is_no_traceback() -> None:
    process = start('--ros-args', '-p', 'bundle:=paper')
    said = until(process, 'loading')
    assert 'UNTRAINED' not in interrupt(process, said)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_in_mid_speech_it_publishes_the_open_utterance_and_ends(
        number: signal.Signals, tmp_path: Path) -> None:
    process = start('--ros-args', '-p', f'bundle:={tiny(tmp_path)}', '-p', 'partial_rate:=5.0')
    context = rclpy.Context()
    context.init()
    node = rclpy.create_node('talker', context=context)
    estimates: list[EmotionEstimate] = []
    node.create_subscription(EmotionEstimate, 'emotion', estimates.append, 50)
    audio = node.create_publisher(AudioChunk, 'audio', 50)
    try:
        with spinning(context, node):
            said = until(process, 'bundle tiny, hash')
            assert eventually(lambda: audio.get_subscription_count() == 1)
            for _, _, message in [m for m in recorded(3.0) if m[1] == 'audio']:
                audio.publish(message)
                time.sleep(0.08)
            assert eventually(lambda: bool(estimates), 20)
            assert not any(estimate.final for estimate in estimates)  # somebody speaks
            interrupt(process, said, number)
            assert eventually(lambda: estimates[-1].final, 20)
            assert estimates[-1].utterance_id == estimates[0].utterance_id
    finally:
        process.kill()


def test_a_process_that_stood_still_goes_on(tmp_path: Path) -> None:
    process = start('--ros-args', '-p', f'bundle:={tiny(tmp_path)}')
    said = until(process, 'bundle tiny, hash')
    process.send_signal(signal.SIGSTOP)
    time.sleep(1.0)
    process.send_signal(signal.SIGCONT)
    time.sleep(1.0)
    assert process.poll() is None, said
    interrupt(process, said)


def test_a_middleware_that_hangs_while_a_node_is_destroyed_does_not_keep_the_process() -> None:
    """In native code that lets no other thread run, as ctypes.PyDLL does."""
    code = ('import ctypes\nfrom mmer_ros.nodes.executables import ended_within\n'
            'with ended_within(0.2):\n    pass\n'
            'with ended_within(0.5):\n    ctypes.PyDLL(None).sleep(300)\n')
    process = subprocess.run([sys.executable, '-c', code], stderr=subprocess.PIPE, text=True,
                             timeout=120, check=False)
    assert process.returncode == 1 and 'Timeout (0:00:00.5' in process.stderr


def test_parameters_that_cannot_be_are_told_in_a_sentence(capfd) -> None:
    own_domain()
    assert main('emotion', ['emotion', '--ros-args', '-p', 'image_queue:=0']) == 2
    said = capfd.readouterr().err
    assert 'image_queue' in said and 'docs/parameters.md' in said and 'Traceback' not in said


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--log-level', 'loud'], "parse log level: '--log-level loud'"),
    (['--params-file', 'nowhere.yaml'], 'Error opening YAML file'),
    (['-p', 'partial_rate'], "parameter override rule: '-p partial_rate'"),
    (['--bogus'], '--bogus')])
def test_arguments_that_ros_refuses_are_told_in_a_sentence(
        arguments: list[str], words: str, capfd) -> None:
    own_domain()
    assert main('emotion', ['emotion', '--ros-args', *arguments]) == 2
    said = capfd.readouterr().err
    assert words in said.splitlines()[-1] and 'Traceback' not in said and '/src/' not in said


def test_a_home_that_may_not_be_written_is_told_in_a_sentence(monkeypatch) -> None:
    monkeypatch.setenv('HOME', '/proc/nobody')
    monkeypatch.delenv('ROS_LOG_DIR', raising=False)
    process = start()
    said = process.communicate(timeout=120)[0].splitlines()
    assert process.returncode == 2 and len(said) == 1
    assert '/proc/nobody' in said[0] and 'set ROS_LOG_DIR' in said[0]
