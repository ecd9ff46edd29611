"""The estimates of each robot, on topics of its own."""

from __future__ import annotations

from threading import Lock

from mmer_ros.nodes.outputs.estimates import Estimates
from mmer_ros.nodes.outputs.persons import Expressions, expressions
from mmer_ros.recognition.multi_robot import SourceEstimate
from mmer_ros.settings import NodeSettings
from rclpy.lifecycle import LifecycleNode


class Robots:
    """
    Publish below the namespace of each robot; its topics come up with its first estimate.

    Where `emotion_topic` is absolute, the estimates of all go there.
    """

    def __init__(self, node: LifecycleNode, settings: NodeSettings) -> None:
        """Start without robots."""
        self._node = node
        self._settings = settings
        self._topics: dict[str, tuple[Estimates, Expressions | None]] = {}
        self._lock = Lock()

    def estimate(self, found: SourceEstimate, latency: float, frame_id: str) -> None:
        """Publish an estimate, `latency` seconds after the capture of its evidence."""
        with self._lock:
            if found.source not in self._topics:
                topic = topic_of(found.source, self._settings.emotion_topic)
                self._topics[found.source] = (
                    Estimates(self._node, topic, managed=False),
                    expressions(self._node, found.source)
                    if self._settings.publish_expressions else None)
            own, shown = self._topics[found.source]
        own.take(found.estimate, latency=latency, frame_id=frame_id)
        if shown is not None:
            shown.take(found.estimate)

    def tick(self) -> None:
        """Remove what is not needed any more; call it now and then."""
        with self._lock:
            for _, shown in self._topics.values():
                if shown is not None:
                    shown.tick()

    def close(self) -> None:
        """Remove the topics."""
        with self._lock:
            for own, shown in self._topics.values():
                own.close()
                if shown is not None:
                    shown.close()
            self._topics = {}


def topic_of(source: str, emotion_topic: str) -> str:
    """Return where the estimates of a robot are published."""
    if emotion_topic.startswith('/'):
        return emotion_topic
    return f'/{source}/{emotion_topic}' if source else f'/{emotion_topic}'
