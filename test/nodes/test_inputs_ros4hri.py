# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Faces and voices of ROS4HRI as inputs: who comes, who goes, who is heard; over real DDS."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_ros.nodes.conversions import decode_image
from mmer_ros.nodes.inputs.humans import Persons
from mmer_ros.types import FACE_SIZE, Transcript
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Bool, String

from ..fixtures.inputs import Listener, listening, stamped
from ..fixtures.message_packages import use


@pytest.fixture(scope='module', autouse=True)
def packages() -> None:
    """Make the messages of other packages importable."""
    use('ros_drivers')
    use('ros4hri')


def tracked(ear: Listener, what: str) -> Any:
    from hri_msgs.msg import IdsList
    return ear.publisher(IdsList, f'/humans/{what}/tracked', 1)


def ids(*names: str) -> Any:
    from hri_msgs.msg import IdsList
    return IdsList(ids=list(names))


def face(level: int, stamp: float) -> Image:
    pixels = np.full((64, 64, 3), level, np.uint8)
    return stamped(Image(encoding='rgb8', width=64, height=64, step=192, data=pixels.tobytes()),
                   stamp, 'camera')


def test_faces_come_with_their_ids_and_regions_and_go() -> None:
    from hri_msgs.msg import NormalizedRegionOfInterest2D
    with listening(ros4hri=True, ros4hri_voices=False) as ear:
        people = tracked(ear, 'faces')
        people.publish(ids('anne', 'bert'))
        anne = ear.publisher(Image, '/humans/faces/anne/cropped')
        bert = ear.publisher(Image, '/humans/faces/bert/cropped')
        roi = ear.publisher(NormalizedRegionOfInterest2D, '/humans/faces/anne/roi')
        roi.publish(NormalizedRegionOfInterest2D(xmin=0.25, ymin=0.5, xmax=0.5, ymax=1.0, c=0.75))
        region = ear.inputs.people[0].inputs['anne'][0]
        assert ear.eventually(lambda: region.received == 1)
        crops = [ear.take(anne, face(10, 100.0)), ear.take(bert, face(90, 100.0)),
                 ear.take(anne, face(11, 100.25))]
        found = [item.message.crop(decode_image) for item in crops]
        assert [(c.face_id, c.stamp) for c in found] == [
            ('anne', 100.0), ('bert', 100.0), ('anne', 100.25)]
        assert found[0].image.shape == (FACE_SIZE, FACE_SIZE, 3)
        np.testing.assert_allclose([c.image.mean() for c in found], [10, 90, 11], atol=1)
        assert found[0].box == (0.25, 0.5, 0.5, 1.0) and found[0].score == 0.75
        late = ear.take(bert, face(91, 100.2))  # the other face of an image of before
        assert late.stamp == pytest.approx(100.2) and late.source == 'bert'
        assert ear.take(anne, face(12, 100.26)).kind == 'image_time'  # 5 of a face in a second
        people.publish(ids('bert'))
        assert ear.eventually(lambda: anne.get_subscription_count() == 0)
        assert bert.get_subscription_count() == 1
        assert not ear.told


def test_faces_have_the_persons_that_ros4hri_names() -> None:
    from hri_msgs.msg import IdsMatch
    with listening(ros4hri=True, ros4hri_voices=False) as ear:
        tracked(ear, 'faces').publish(ids('f1', 'f2'))
        people = tracked(ear, 'persons')
        people.publish(ids('anne'))
        faces = [ear.publisher(Image, f'/humans/faces/{name}/cropped') for name in ('f1', 'f2')]
        of_anne = ear.publisher(String, '/humans/persons/anne/face_id')
        matches = ear.publisher(IdsMatch, '/humans/candidate_matches')
        stamps = iter(range(100, 200))

        def whose() -> list[str]:
            taken = [ear.take(publisher, face(10, float(next(stamps)))) for publisher in faces]
            return [item.message.crop(decode_image).person_id for item in taken]

        assert whose() == ['', '']
        matches.publish(IdsMatch(id1='f2', id1_type=IdsMatch.FACE, id2='bert',
                                 id2_type=IdsMatch.PERSON, confidence=0.9))
        of_anne.publish(String(data='f1'))
        known = [topic for topic in ear.inputs.topics if topic.topic.endswith('matches')]
        assert ear.eventually(lambda: known[0].received == 1)
        assert ear.eventually(lambda: ear.inputs.people[1].inputs['anne'][0].received == 1)
        assert whose() == ['anne', 'bert']
        matches.publish(IdsMatch(id1='bert', id1_type=IdsMatch.PERSON, id2='f2',
                                 id2_type=IdsMatch.FACE, confidence=0.0))
        assert ear.eventually(lambda: known[0].received == 2)
        people.publish(ids())
        assert ear.eventually(lambda: of_anne.get_subscription_count() == 0)
        assert whose() == ['', '']


def test_with_faces_alone_the_camera_is_left_out_but_words_are_taken() -> None:
    with listening(ros4hri=True, ros4hri_voices=False) as ear:
        image = ear.talker.create_publisher(CompressedImage, 'image/compressed', 10)
        ear.publisher(String, 'transcript')
        assert image.get_subscription_count() == 0


def sound(level: int) -> Any:
    from audio_common_msgs.msg import AudioData
    return AudioData(data=np.full(1600, level, '<i2').tobytes())


def test_the_voice_that_spoke_first_is_heard_and_everybodys_words_count() -> None:
    from audio_common_msgs.msg import AudioData
    from hri_msgs.msg import LiveSpeech
    with listening(ros4hri=True) as ear:
        people = tracked(ear, 'voices')
        people.publish(ids('v1', 'v2'))
        audio, speaking, speech = ([ear.publisher(kind, f'/humans/voices/{voice}/{name}')
                                    for voice in ('v1', 'v2')] for kind, name in
                                   ((AudioData, 'audio'), (Bool, 'is_speaking'),
                                    (LiveSpeech, 'speech')))

        def heard() -> list[int]:
            """Return the levels of the voices that are heard."""
            ear.items.clear()
            topics = [topics[0] for topics in ear.inputs.people[0].inputs.values()]
            wanted = [topic.received + 1 for topic in topics]
            for level, publisher in enumerate(audio, 1):
                publisher.publish(sound(level))
            assert ear.eventually(lambda: [topic.received for topic in topics] == wanted)
            ear.eventually(lambda: bool(ear.items))
            return [int(i.message.samples[0, 0]) for i in ear.items if i.kind == 'audio']

        def tell(voice: int, state: bool) -> bool:
            item = ear.take(speaking[voice], Bool(data=state))
            assert item.kind == 'activity'
            item.message()  # as the worker does
            return ear.activity.speaking

        assert tell(1, True) and heard() == [2]
        assert tell(0, True) and heard() == [2]  # it goes on, though another one began
        assert tell(1, False) and heard() == [1]
        assert not tell(0, False) and heard() == [1]  # silence is heard, too
        words = ear.take(speech[1], LiveSpeech(final='So it is.'))
        assert words.message == Transcript(words.stamp, 'So it is.', 'v2')
        people.publish(ids('v2'))
        assert ear.eventually(lambda: audio[0].get_subscription_count() == 0)
        assert heard() == [2]
        assert set(ear.faults()) == {'audio_unstamped'}


def test_a_person_who_was_merged_with_another_has_the_id_of_that_one() -> None:
    persons = Persons()
    persons.take_face_id('anonymous_a', String(data='f1'))
    assert persons.person_of('f1') == 'anonymous_a'
    persons.take_alias('anonymous_a', String(data='b'))
    persons.take_alias('b', String(data='clara'))
    assert persons.person_of('f1') == 'clara'
    persons.take_alias('clara', String(data='b'))  # a circle ends
    assert persons.person_of('f1') in ('b', 'clara')
    persons.take_alias('anonymous_a', String(data=''))
    assert persons.person_of('f1') == 'anonymous_a'


def test_matches_of_ever_new_faces_are_bounded() -> None:
    from hri_msgs.msg import IdsMatch
    persons = Persons()
    for number in range(Persons.MOST_FACES + 1):
        persons.take_match(IdsMatch(id1=f'f{number}', id1_type=IdsMatch.FACE, id2='anne',
                                    id2_type=IdsMatch.PERSON, confidence=0.9))
    assert persons.person_of('f0') == ''
    assert persons.person_of('f1') == persons.person_of(f'f{Persons.MOST_FACES}') == 'anne'
