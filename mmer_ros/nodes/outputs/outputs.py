"""All outputs of the emotion node, as its parameters name them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmer_ros.nodes.outputs.debug_image import DebugImage
from mmer_ros.nodes.outputs.estimates import Estimates
from mmer_ros.nodes.outputs.persons import expressions
from mmer_ros.settings import NodeSettings
from mmer_ros.types import Estimate, FaceCrop, VideoFrame
from rclpy.lifecycle import LifecycleNode


class Outputs:
    """
    Publish; created when the node is configured.

    :param frame_id: returns that of the camera, else of the microphone.
    """

    def __init__(self, node: LifecycleNode, settings: NodeSettings,
                 frame_id: Callable[[], str]) -> None:
        """Create the topics."""
        self._frame_id = frame_id
        self._estimates = Estimates(node, settings.emotion_topic)
        self._expressions = expressions(node) if settings.publish_expressions else None
        self._debug: DebugImage | None = None
        if settings.debug_image:
            self._debug = DebugImage(node, frame_id)

    def estimate(self, estimate: Estimate, latency: float) -> None:
        """Publish an estimate, `latency` seconds after the capture of its evidence."""
        self._estimates.take(estimate, latency=latency, frame_id=self._frame_id())
        if self._expressions is not None:
            self._expressions.take(estimate)
        if self._debug is not None:
            self._debug.take(estimate)

    def faces(self, frame: VideoFrame, crops: Sequence[FaceCrop], *, speaking: bool,
              speaker: str) -> None:
        """Publish an image, if that is allowed and somebody looks."""
        if self._debug is not None:
            self._debug.show(frame, crops, speaking=speaking, speaker=speaker)

    def tick(self) -> None:
        """Remove what is not needed any more; call it now and then."""
        if self._expressions is not None:
            self._expressions.tick()

    def close(self) -> None:
        """Remove the topics."""
        for one in (self._estimates, self._expressions, self._debug):
            if one is not None:
                one.close()
