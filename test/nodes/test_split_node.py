# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Segmenter and estimator over real DDS: as one process, for several robots, whatever is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_msgs.msg import EmotionEstimate
from mmer_msgs.msg import UtterancePart as PartMessage
from mmer_msgs.srv import LoadBundle
from mmer_ros.nodes.conversions import to_estimate_message
from mmer_ros.nodes.health.checks import Level
from mmer_ros.nodes.outputs.outputs import emotion_topic_of
from mmer_ros.nodes.part_messages import to_part_messages
from mmer_ros.nodes.runtime.part_session import part_qos
from mmer_ros.recognition.dialogue_stream import DialogueStream
from mmer_ros.recognition.multi_robot import SentPart
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.sensing.face_detector import FaceConfig
from mmer_ros.settings import NodeSettings
from mmer_ros.types import Estimate
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from ..fixtures.model import tiny_bundle, tiny_recognizer
from ..fixtures.node import Health, tiny
from ..fixtures.ros import eventually, in_one_process, InStep, recorded
from ..fixtures.split import split, SplitRig
from ..recognition.test_multi_robot import alone, parts_of

FAILURE = TransitionCallbackReturn.FAILURE
FIRST_TWO_S = 8.2  # of the sample: two utterances with face and words
DEEP = {'image_queue': 100, 'image_transport': 'compressed', 'image_reliability': 'reliable',
        'audio_reliability': 'reliable', 'image_depth': 100}
SETTINGS = FaceConfig().digest


def content(message: EmotionEstimate) -> dict[str, Any]:
    """Return all of a message but how late it was."""
    fields = {name: getattr(message, name) for name in message.get_fields_and_field_types()}
    del fields['latency']
    fields['speaker_margin'] = np.float32(fields['speaker_margin'])
    for name in ('probabilities', 'modality_weights'):
        fields[name] = fields[name].tolist()
    return fields


def as_content(estimate: Estimate) -> dict[str, Any]:
    return content(to_estimate_message(
        estimate, latency=0.0, frame_id='camera', publish_transcript=True))


def test_two_robots_get_what_a_single_process_says_to_the_bit(tmp_path) -> None:
    messages = recorded(FIRST_TWO_S)
    unread = [m for m in messages if m[1] != 'transcript']
    expected = {'kitchen': in_one_process(messages, partial_rate=2.0),
                'lab/left': in_one_process(unread, partial_rate=2.0)}
    with split(robots=tuple(expected), segmenter=DEEP, use_sim_time=True,
               estimator={'partial_rate': 2.0, 'publish_transcript': True}) as rig:
        step = InStep(rig.talkers['kitchen'], *rig.segmenters.values())
        for moment, kind, message in messages:
            step.set_time(moment)
            for robot, talker in rig.talkers.items():
                if robot == 'kitchen' or kind != 'transcript':
                    step.publish(talker.publishers[kind], message)
        heard = {name: talker.estimates for name, talker in rig.talkers.items()}
        assert eventually(lambda: all(len(heard[r]) >= len(expected[r]) for r in expected))
        assert rig.estimator._events.counts == {}
    for robot, estimates in expected.items():
        assert len(heard[robot]) == len(estimates)
        for message, estimate in zip(heard[robot], estimates):
            assert content(message) == as_content(estimate)
            assert estimate.speaker_by and estimate.face_id
        assert [e.final for e in estimates].count(True) == 2 and len(estimates) > 6
    assert any(e.transcript for e in heard['kitchen'])
    assert not any(e.transcript for e in heard['lab/left'])


def test_two_estimators_share_the_robots() -> None:
    messages = [m for m in recorded(4.5) if m[1] != 'image']
    robots = ('kitchen', 'lab/left', 'lab/right')
    with split(robots=robots, segmenter=DEEP, use_sim_time=True,
               estimator={'sources': 'kitchen'}, others=[{'sources': 'hall, lab/*'}]) as rig:
        step = InStep(rig.talkers['kitchen'], *rig.segmenters.values())
        for moment, kind, message in messages:
            step.set_time(moment)
            for talker in rig.talkers.values():
                step.publish(talker.publishers[kind], message)
        assert eventually(lambda: all(t.estimates for t in rig.talkers.values()))
        served = [{name for name, _ in each._estimator.sources} for each in rig.estimators]
    assert served == [{'kitchen'}, {'lab/left', 'lab/right'}]
    assert [len(talker.estimates) for talker in rig.talkers.values()] == [1, 1, 1]


def test_a_robot_without_a_namespace_is_heard_at_emotion_and_starts_anew_when_told() -> None:
    messages = [m for m in recorded(4.5) if m[1] != 'image']
    with split(segmenter=DEEP, use_sim_time=True) as rig:
        talker = rig.talkers['']
        step = InStep(talker, rig.segmenters[''])
        for _ in range(2):  # as when a bag is looped: time jumps back
            before = len(talker.estimates)
            step.play(talker, messages)
            assert eventually(lambda n=before: len(talker.estimates) == n + 1)
        one, other = map(content, talker.estimates)
        assert one == other
        source, = {key[0] for key in rig.estimator._estimator.sources}
        assert source == ''
        called(rig, rig.segmenters[''], Trigger, 'reset_history')
        step.play(talker, messages)
        assert eventually(lambda: len(talker.estimates) == 3)
        assert content(talker.estimates[2]) == one


def called(rig: SplitRig, node: Any, kind: Any, name: str, **fields: Any) -> Any:
    """Call a service of a node and return the response."""
    asker = next(iter(rig.talkers.values())).node
    client = asker.create_client(kind, f'{node.get_fully_qualified_name()}/{name}')
    assert client.wait_for_service(60.0)
    future = client.call_async(kind.Request(**fields))
    assert eventually(future.done)
    return future.result()


class Sender:
    """Somebody who sends parts himself, and loses some."""

    def __init__(self, rig: SplitRig, *, wait: bool = True) -> None:
        talker = next(iter(rig.talkers.values()))
        self.publisher = talker.node.create_publisher(
            PartMessage, rig.estimator.get_parameter('parts_topic').value,
            part_qos(NodeSettings()))
        assert not wait or eventually(self.matched)

    def matched(self) -> bool:
        return self.publisher.get_subscription_count() == 1

    def send(self, parts: Sequence[SentPart], **fields: Any) -> None:
        for sent in parts:
            for message in to_part_messages(
                    sent, frame_id='camera', face_settings=SETTINGS):
                for name, value in fields.items():
                    setattr(message, name, value)
                self.publisher.publish(message)


def sent(robot: str = 'hall') -> list[SentPart]:
    return [SentPart('', 1, i, part) for i, part in enumerate(parts_of(robot))]


def test_lost_parts_are_told_in_the_log_and_the_diagnostics(tmp_path) -> None:
    tiny_bundle().save(tmp_path / 'tiny')
    with split(bundle=str(tmp_path / 'tiny'), estimator={'prior': ''}) as rig:
        health = Health(rig.talkers[''].node, 'estimator')
        sender, parts, heard = Sender(rig), sent(), rig.talkers[''].estimates
        sender.send(parts[:4] + parts[7:])
        assert eventually(lambda: len(heard) == 2)
        counts = rig.estimator._events.counts
        assert eventually(lambda: counts.get('parts_lost') == counts.get('part_lost') == 1)
        assert health.shows('parts', Level.WARN, 'lost 1 times', {
            '/: received, lost, repeated': f'{len(parts) - 3}, 3, 0'})
        stream = DialogueStream(tiny_recognizer())
        expected = [e for s in parts[:4] + parts[7:] if (e := stream.push(s.part)) is not None]
        for message, estimate in zip(heard, expected):
            np.testing.assert_array_equal(message.probabilities, estimate.probabilities)


def test_an_end_that_never_comes_is_waited_for_as_long_as_the_parameter_says(tmp_path) -> None:
    with split(bundle=tiny(tmp_path), estimator={'parts_wait_s': 0.5}) as rig:
        Sender(rig).send(sent()[:8])
        heard = rig.talkers[''].estimates
        assert eventually(lambda: len(heard) == 1)
        assert heard[0].final
        assert eventually(lambda: rig.estimator._events.counts.get('end_lost') == 1)


@pytest.mark.parametrize(('fields', 'words'), [
    ({'source': 'not a name'}, 'source'), ({'utterance_id': ''}, 'an id'),
    ({'speaker_margin': 2.0}, 'speaker_margin')])
def test_a_part_that_cannot_be_is_told_and_what_is_good_counts(
        tmp_path, fields: dict[str, Any], words: str) -> None:
    with split(bundle=tiny(tmp_path)) as rig:
        sender, parts = Sender(rig), sent()
        sender.send(parts[:3])
        sender.send(parts[2:3], **fields)
        sender.send(parts[3:])
        heard = rig.talkers[''].estimates
        assert eventually(lambda: len(heard) == 2)
        assert rig.estimator._events.counts == {'part': 1}
        assert words in rig.estimator._events.current['part']


def test_faces_that_were_cut_otherwise_are_told(tmp_path) -> None:
    with split(bundle=tiny(tmp_path)) as rig:
        Sender(rig).send(sent(), face_settings='another')
        assert eventually(lambda: 'other_faces' in rig.estimator._events.counts)
        assert 'same `bundle`' in rig.estimator._events.current['other_faces']


@pytest.mark.parametrize(('source', 'topic', 'expected'), [
    ('', 'emotion', '/emotion'), ('lab/left', 'emotion', '/lab/left/emotion'),
    ('lab', '/feeling', '/feeling')])
def test_where_the_estimates_of_a_robot_go(source: str, topic: str, expected: str) -> None:
    assert emotion_topic_of(source, topic) == expected


def test_the_bundle_of_the_estimator_changes_without_losing_a_part(tmp_path) -> None:
    with split(bundle=tiny(tmp_path, 1), estimator={'prior': ''}) as rig:
        sender, parts, heard = Sender(rig), sent(), rig.talkers[''].estimates
        half = next(i for i, s in enumerate(parts) if s.part.last)
        sender.send(parts[:half - 3])
        response = called(rig, rig.estimator, LoadBundle, 'load_bundle', bundle=tiny(tmp_path, 2))
        assert response.success, response.message
        sender.send(parts[half - 3:])
        assert eventually(lambda: len(heard) == 2)
        old, new = (Recognizer(tiny_bundle(seed)) for seed in (1, 2))
        for message, estimate in zip(heard, [alone('hall', old)[0], alone('hall', new)[1]]):
            np.testing.assert_array_equal(message.probabilities, estimate.probabilities)
            assert message.bundle_hash == estimate.bundle_hash
        assert rig.estimator.get_parameter('bundle').value == tiny(tmp_path, 2)


def test_who_is_disabled_does_not_listen(tmp_path) -> None:
    with split(bundle=tiny(tmp_path)) as rig:
        sender, parts, heard = Sender(rig), sent(), rig.talkers[''].estimates
        sender.send(parts[:5])
        assert eventually(lambda: len(rig.estimator._estimator.sources) == 1)
        assert called(rig, rig.estimator, SetBool, 'enable', data=False).message == 'disabled'
        assert eventually(lambda: len(heard) == 1) and heard[0].final  # what was open is ended
        assert eventually(lambda: sender.publisher.get_subscription_count() == 0)
        assert called(rig, rig.segmenters[''], SetBool, 'enable', data=False).success
        assert eventually(lambda: not rig.talkers[''].matched())


def test_an_estimator_that_starts_again_gets_what_was_sent_meanwhile_and_counts_the_rest(
        tmp_path) -> None:
    with split(bundle=tiny(tmp_path), activate=False, estimator={'prior': ''}) as rig:
        sender, parts, heard = Sender(rig, wait=False), sent(), rig.talkers[''].estimates
        sender.send([replace(s, sequence=s.sequence + 7) for s in parts[:-3]])
        rig.estimator.trigger_configure()
        rig.estimator.trigger_activate()
        assert eventually(sender.matched)
        sender.send([replace(s, sequence=s.sequence + 7) for s in parts[-3:]])
        assert eventually(lambda: len(heard) == 2)
        np.testing.assert_array_equal([message.probabilities for message in heard],
                                      [estimate.probabilities for estimate in alone('hall')])
        source, = rig.estimator._estimator.sources.values()
        assert (source.received, source.missed, source.lost) == (len(parts), 7, 0)
        assert eventually(lambda: 'parts_missed' in rig.estimator._events.counts)


def test_what_is_said_while_the_estimator_is_disabled_is_never_estimated(tmp_path) -> None:
    with split(bundle=tiny(tmp_path)) as rig:
        sender, parts, heard = Sender(rig), sent(), rig.talkers[''].estimates
        half = 1 + next(i for i, s in enumerate(parts) if s.part.last)
        called(rig, rig.estimator, SetBool, 'enable', data=False)
        assert eventually(lambda: not sender.matched())
        sender.send(parts[:half])
        called(rig, rig.estimator, SetBool, 'enable', data=True)
        assert eventually(sender.matched)
        sender.send(parts[half:])
        assert eventually(lambda: len(heard) == 1)
        assert heard[0].utterance_id == parts[-1].part.utterance_id
        source, = rig.estimator._estimator.sources.values()
        assert source.lost == 0


def test_what_cannot_be_configured_says_why(tmp_path) -> None:
    with split(bundle=tiny(tmp_path), activate=False, segmenter={'source': 'no way'}) as rig:
        segmenter = rig.segmenters['']
        assert segmenter.trigger_configure() == FAILURE
        assert 'source' in segmenter._failure
        segmenter.set_parameters([Parameter('source', value='/robot/')])
        assert segmenter.trigger_configure() != FAILURE
        assert segmenter._source == 'robot'
        refused = segmenter.set_parameters([Parameter('parts_topic', value='x')])[0]
        assert not refused.successful and 'configured' in refused.reason
        rig.estimator.set_parameters([Parameter('bundle', value='nowhere')])
        assert rig.estimator.trigger_configure() == FAILURE
        assert 'nowhere' in rig.estimator._failure


def test_both_can_be_taken_down_and_brought_up_again(tmp_path) -> None:
    with split(bundle=tiny(tmp_path)) as rig:
        for node in rig.nodes:
            node.trigger_deactivate()
            node.trigger_cleanup()
            assert not node._is_configured()
        rig.activate()
        Sender(rig).send(sent())
        assert eventually(lambda: len(rig.talkers[''].estimates) == 2)
