"""The `emotion` node: sensors in, estimates out; callbacks only enqueue, one worker infers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import sys
import threading
import time
from typing import Any

from mmer_msgs.msg import AudioChunk, EmotionEstimate
from mmer_ros.messages import chunk_to_block
from mmer_ros.nodes import parameters
from mmer_ros.nodes.conversions import decode, NANOSECONDS, to_message, to_seconds
from mmer_ros.nodes.event_log import EventLog
from mmer_ros.nodes.inbox import Inbox, Item
from mmer_ros.pipeline import Pipeline
from mmer_ros.recognizer import Recognizer, UNTRAINED
from mmer_ros.stream_clock import IDLE_LAG_S, IDLE_S, StreamClock
from mmer_ros.types import Estimate, InvalidInput, Transcript, VideoFrame
from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String
import torch

TRANSCRIPT_QUEUE = 100
IMAGE_TIME_QUEUE = 1000
RELIABILITIES = {'best_effort': ReliabilityPolicy.BEST_EFFORT,
                 'reliable': ReliabilityPolicy.RELIABLE}
SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE


class EmotionNode(LifecycleNode):
    """
    A managed node around the core's Pipeline.

    Unconfigured it holds nothing, inactive it holds the model, active it subscribes, infers and
    publishes. Bad input is logged and left out; it never ends the node.
    """

    def __init__(self, **kwargs: Any) -> None:
        """Declare the parameters; all else waits for the transition to configure."""
        super().__init__('emotion', **kwargs)
        parameters.declare(self)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._events = EventLog(lambda text: self.get_logger().warning(text))
        self._pipeline: Pipeline | None = None
        self._publisher: Any = None
        self._sensor_subscriptions: list[Any] = []
        self._worker: threading.Thread | None = None

    # ------------------------------------------------------------------ life

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the bundle."""
        try:
            self._check_parameters()
            if threads := self._value('threads'):
                torch.set_num_threads(threads)
            recognizer = Recognizer.load(self._value('bundle'), device=self._value('device'),
                                         expected_hash=self._value('bundle_hash'))
            self._pipeline = Pipeline(recognizer, parameters.segmenter_config(self))
            recognizer.warm_up()
        except Exception as error:  # a model that cannot be loaded is a failure, not a crash
            self.get_logger().error(f'not configured: {error}')
            return FAILURE
        self._publisher = self.create_lifecycle_publisher(
            EmotionEstimate, self._value('emotion_topic'), 10)
        config = recognizer.config
        self.get_logger().info(
            f'bundle {config.name}, hash {recognizer.bundle.content_hash[:12]}, '
            f'device {recognizer.device}')
        if not config.trained:
            self.get_logger().warning(UNTRAINED.format(name=config.name))
        return SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start the worker."""
        assert self._pipeline is not None
        self._inbox = Inbox({'image': self._value('image_queue'),
                             'image_time': IMAGE_TIME_QUEUE,
                             'audio': self._value('audio_queue'),
                             'transcript': TRANSCRIPT_QUEUE})
        self._sampler = self._pipeline.sampler()
        self._clock_of_stream = StreamClock()
        self._frames: dict[str, str] = {}
        self._stopping = threading.Event()
        result = super().on_activate(state)
        self._worker = threading.Thread(target=self._work, name='emotion-worker')
        self._worker.start()
        self._subscribe()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, let the worker finish the open utterance and stop it."""
        self._stop_worker()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the model."""
        self._release()
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop whatever runs and let go of the model."""
        self._stop_worker()
        self._release()
        return SUCCESS

    def destroy_node(self) -> None:
        """Stop the worker before the node goes."""
        self._stop_worker()
        super().destroy_node()

    def _stop_worker(self) -> None:
        for subscription in self._sensor_subscriptions:
            self.destroy_subscription(subscription)
        self._sensor_subscriptions = []
        if self._worker is not None:
            self._stopping.set()
            self._inbox.close()
            self._worker.join()
            self._worker = None

    def _release(self) -> None:
        if self._publisher is not None:
            self.destroy_publisher(self._publisher)
        self._publisher = None
        self._pipeline = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    # ------------------------------------------------------------------ parameters

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    def _check_parameters(self) -> None:
        transport = self._value('image_transport')
        if transport not in ('raw', 'compressed'):
            raise InvalidInput(f"parameter image_transport is {transport!r}; expected 'raw' or "
                               "'compressed'")
        for name in ('image_reliability', 'audio_reliability'):
            if self._value(name) not in RELIABILITIES:
                raise InvalidInput(f'parameter {name} is {self._value(name)!r}; expected one of '
                                   f'{", ".join(RELIABILITIES)}')
        if not any(self._value(f'{kind}_topic') for kind in ('image', 'audio', 'transcript')):
            raise InvalidInput('parameters image_topic, audio_topic and transcript_topic are all '
                               'empty; name at least one topic')

    def _on_set_parameters(self, changed: list[Parameter]) -> SetParametersResult:
        configured = self._pipeline is not None
        for parameter in changed:
            known = parameter.name in parameters.PARAMETERS or (
                parameter.name.startswith(parameters.SEGMENTER))
            if configured and known and parameter.name not in parameters.LIVE:
                return SetParametersResult(successful=False, reason=(
                    f'{parameter.name} takes effect when the node is configured: deactivate and '
                    'clean it up, set it, configure it again'))
        return SetParametersResult(successful=True)

    # ------------------------------------------------------------------ callbacks

    def _subscribe(self) -> None:
        compressed = self._value('image_transport') == 'compressed'
        image_topic = self._value('image_topic')
        if compressed and image_topic and not image_topic.endswith('/compressed'):
            image_topic += '/compressed'
        image_type = CompressedImage if compressed else Image
        image, audio = self._value('image_reliability'), self._value('audio_reliability')
        for message_type, topic, depth, reliability, callback in (
            (image_type, image_topic, 5, image, self._on_image),
            (AudioChunk, self._value('audio_topic'), 100, audio, self._on_audio),
            (String, self._value('transcript_topic'), 10, 'reliable', self._on_transcript),
        ):
            if topic:
                qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth,
                                 reliability=RELIABILITIES[reliability])
                self._sensor_subscriptions.append(
                    self.create_subscription(message_type, topic, callback, qos))

    def _on_image(self, message: Image | CompressedImage) -> None:
        stamp = self._stamp('image', message.header)
        if self._sampler.take(stamp):
            self._inbox.put(Item('image', stamp, stamp, message))
        else:  # it is not looked at, but tells how far the camera is
            self._inbox.put(Item('image_time', stamp, stamp, None))

    def _on_audio(self, message: AudioChunk) -> None:
        stamp = self._stamp('audio', message.header)
        length = len(message.samples) / max(message.channels, 1) / max(message.sample_rate, 1)
        self._clock_of_stream.saw(stamp + length, time.monotonic())
        self._inbox.put(Item('audio', stamp + length, stamp, message))

    def _on_transcript(self, message: String) -> None:
        stamp = self._now()
        self._inbox.put(Item('transcript', stamp, stamp, message))

    def _now(self) -> float:
        """Return the present as capture time, seconds."""
        clock = self.get_clock().now().nanoseconds / NANOSECONDS
        return self._clock_of_stream.now(clock, time.monotonic())

    def _stamp(self, kind: str, header: Any) -> float:
        self._frames[kind] = header.frame_id
        stamp = to_seconds(header.stamp)
        if stamp > 0:
            self._clock_of_stream.saw(stamp, time.monotonic())
            return stamp
        self._events.add(f'{kind}_unstamped', (
            f'{kind}: the header has no stamp; the time of arrival is used instead, which '
            'shifts and jitters; let the driver stamp its messages'))
        return self._now()

    # ------------------------------------------------------------------ worker

    def _work(self) -> None:
        """Feed the pipeline until the node is deactivated, then close what is open."""
        pipeline = self._pipeline
        assert pipeline is not None
        while not self._stopping.is_set():
            item = self._inbox.get(IDLE_S)
            if item is not None:
                self._guarded(partial(self._feed, pipeline, item))
            elif self._frames:
                self._guarded(lambda: pipeline.advance(self._now() - IDLE_LAG_S))
            self._report(pipeline)
        self._guarded(pipeline.flush)
        self._report(pipeline)

    def _guarded(self, step: Callable[[], list[Estimate]]) -> None:
        """Run one step; whatever is wrong with the input, the worker lives on."""
        try:
            for estimate in step():
                self._publish(estimate)
        except InvalidInput as error:
            self._events.add(str(error).split(':', 1)[0], str(error))
        except Exception as error:
            self._events.add(type(error).__name__, (
                f'internal error, the input was left out: {type(error).__name__}: {error}'))

    def _feed(self, pipeline: Pipeline, item: Item) -> list[Estimate]:
        if item.kind == 'audio':
            return pipeline.push_audio(chunk_to_block(item.message, item.stamp))
        if item.kind == 'transcript':
            return pipeline.push_transcript(Transcript(item.stamp, item.message.data))
        if item.kind == 'image_time':
            return pipeline.skip_frame(item.stamp)
        return pipeline.push_frame(VideoFrame(item.stamp, decode(item.message)))

    def _publish(self, estimate: Estimate) -> None:
        message = to_message(
            estimate, latency=max(self._now() - estimate.stamp, 0.0),
            frame_id=self._frames.get('image') or self._frames.get('audio', ''),
            publish_transcript=self._value('publish_transcript'))
        if rclpy.ok(context=self.context):
            self._publisher.publish(message)

    def _report(self, pipeline: Pipeline) -> None:
        for event in pipeline.drain_events():
            self._events.add(event.kind, event.text)
        for kind, count in self._inbox.dropped.items():
            if count > self._events.counts.get(f'{kind}_dropped', 0):
                self._events.counts[f'{kind}_dropped'] = count - 1
                self._events.add(f'{kind}_dropped', (
                    f'{kind}: {count} messages were dropped in all, since they came faster than '
                    'they could be worked on; lower the rate, or use a smaller bundle or a GPU'))
        if self._clock_of_stream.apart:
            self._events.add('clock_apart', (
                f'stamps are {self._clock_of_stream.apart:.0f} s away from the clock of the node; '
                'the stamps are used; set use_sim_time if a recording is played'))


def main(arguments: list[str] | None = None) -> None:
    """Run the node until it is told to stop."""
    rclpy.init(args=arguments)
    node = EmotionNode()
    try:
        if node.get_parameter('autostart').value:
            if node.trigger_configure() == SUCCESS:
                node.trigger_activate()
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == '__main__':
    main(sys.argv)
