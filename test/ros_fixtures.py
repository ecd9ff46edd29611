"""A running emotion node and somebody who talks to it, over DDS on this computer only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
import time
from typing import Any

import pytest

rclpy = pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')
pytest.importorskip('mmer_msgs.msg', reason='needs mmer_msgs (make env)')

from mmer_msgs.msg import AudioChunk, EmotionEstimate
from mmer_ros.interfaces.images import chunk_to_block, compressed_to_rgb
from mmer_ros.nodes.conversions import to_seconds
from mmer_ros.nodes.emotion_node import EmotionNode
from mmer_ros.nodes.tools.playback import own_domain, spinning
from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recordings.recording import Recording
from mmer_ros.types import Estimate, Transcript, VideoFrame
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String
import torch

SAMPLE = Path(__file__).parent.parent / 'sample' / 'dialogue'
TYPES = {'AudioChunk': AudioChunk, 'CompressedImage': CompressedImage, 'Image': Image,
         'String': String}


def eventually(condition: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    """Wait until the condition holds; False after the timeout."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return condition()


class Talker:
    """Publishes sensor messages and collects estimates."""

    def __init__(self, context: rclpy.Context, image_type: type, namespace: str = '') -> None:
        self.node = rclpy.create_node('talker', context=context, namespace=namespace)
        self.estimates: list[EmotionEstimate] = []
        self.publishers = {
            'image': self.node.create_publisher(
                image_type, 'image/compressed' if image_type is CompressedImage else 'image', 50),
            'audio': self.node.create_publisher(AudioChunk, 'audio', 50),
            'transcript': self.node.create_publisher(String, 'transcript', 50)}
        self.node.create_subscription(EmotionEstimate, 'emotion', self.estimates.append, 50)

    def matched(self) -> bool:
        """Tell whether the node listens to everything."""
        return all(p.get_subscription_count() for p in self.publishers.values())


class Rig:
    """A node, its talker, and what the node logged."""

    def __init__(self, node: EmotionNode, talker: Talker) -> None:
        self.node = node
        self.talker = talker

    def counts(self) -> dict[str, int]:
        """Return how often each kind of fault was noticed."""
        return self.node._events.counts


@contextmanager
def running(image_type: type = Image, activate: bool = True, **parameters: object
            ) -> Iterator[Rig]:
    """Run a node in this process, in a context of its own."""
    own_domain()
    context = rclpy.Context()
    context.init()
    parameters.setdefault('bundle', 'compact')  # small, and nothing depends on what it says
    parameters.setdefault('partial_rate', 0.0)  # most tests count final estimates
    overrides = [Parameter(name, value=value) for name, value in parameters.items()]
    node = EmotionNode(context=context, parameter_overrides=overrides)
    talker = Talker(context, image_type)
    with spinning(context, node, talker.node):
        if activate:
            node.trigger_configure()
            node.trigger_activate()
            assert eventually(talker.matched), 'the node does not subscribe'
        yield Rig(node, talker)


def recorded(until_s: float) -> list[tuple[float, str, object]]:
    """Return the sample's messages up to a time as (seconds, kind, ROS message)."""
    messages = []
    with Recording(SAMPLE) as recording:
        for item in recording.messages():
            if item.time - recording.start > until_s:
                break
            name = item.msgtype.rsplit('/', 1)[1]
            kind = {'AudioChunk': 'audio', 'String': 'transcript'}.get(name, 'image')
            message = deserialize_message(item.data, TYPES[name])
            messages.append((item.time, kind, message))
    return messages


def play(talker: Talker, messages: list[tuple[float, str, object]], rate: float = 1.0) -> None:
    """Publish recorded messages with the pauses between them divided by the rate."""
    begin = time.monotonic()
    for moment, kind, message in messages:
        wait = (moment - messages[0][0]) / rate - (time.monotonic() - begin)
        if wait > 0:
            time.sleep(wait)
        talker.publishers[kind].publish(message)


def in_one_process(messages: list[tuple[float, str, Any]], **options: Any) -> list[Estimate]:
    """
    Estimate from recorded messages with `compact`, without ROS or a network in between.

    :param options: of the Pipeline.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the nodes do by default
    pipeline = Pipeline(Recognizer.load('compact', prior='meld'), **options)
    sampler = pipeline.sampler()
    estimates = []
    for moment, kind, message in messages:
        if kind == 'transcript':
            estimates += pipeline.push_transcript(Transcript(moment, message.data))
            continue
        stamp = to_seconds(message.header.stamp)
        if kind == 'audio':
            estimates += pipeline.push_audio(chunk_to_block(message, stamp))
        elif sampler.take(stamp):
            estimates += pipeline.push_frame(VideoFrame(stamp, compressed_to_rgb(message)))
        else:
            estimates += pipeline.skip_frame(stamp)
    torch.set_num_threads(threads)
    return estimates
