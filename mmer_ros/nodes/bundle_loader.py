"""Loading of bundles: the first when the node is configured, others in the background."""

from __future__ import annotations

from dataclasses import dataclass
import threading
from typing import Any

from mmer_ros.recognition.recognizer import Recognizer, UNTRAINED
from mmer_ros.sensing.face_detector import FaceDetector, make_detector
from mmer_ros.settings import NodeSettings
from mmer_ros.types import InvalidInput
from rclpy.node import Node
from rclpy.task import Future


@dataclass(frozen=True)
class Loaded:
    """A recogniser that is ready, and the face detection of its bundle."""

    recognizer: Recognizer
    detector: FaceDetector


def load(bundle: str, device: str, expected_hash: str, prior: str) -> Loaded:
    """
    Load a bundle and run its networks once.

    :raises InvalidInput: if it cannot be used.
    """
    recognizer = Recognizer.load(bundle, device=device, expected_hash=expected_hash,
                                 prior=prior)
    recognizer.warm_up()
    return Loaded(recognizer, make_detector(recognizer.config.faces, recognizer.device))


def load_recognizer(node: Node, settings: NodeSettings) -> Recognizer:
    """
    Load the bundle that the settings name.

    :raises InvalidInput: if it cannot be used.
    """
    node.get_logger().info(f'loading bundle {settings.bundle}')
    recognizer = Recognizer.load(settings.bundle, device=settings.device,
                                 expected_hash=settings.bundle_hash, prior=settings.prior)
    recognizer.warm_up()
    return recognizer


def tell_bundle(node: Node, recognizer: Recognizer) -> None:
    """Log which bundle is used, and whether it means anything."""
    config = recognizer.config
    node.get_logger().info(f'bundle {config.name}, hash {recognizer.bundle.content_hash[:12]}, '
                           f'device {recognizer.device}')
    if not config.trained:
        node.get_logger().warning(UNTRAINED.format(name=config.name))


class BundleLoader:
    """Load bundles in a thread, one at a time."""

    def __init__(self, node: Node) -> None:
        """Start with nothing to load."""
        self._node = node
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a bundle is being loaded."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, *what: str) -> Future:
        """
        Begin to load; its parameters are those of `load`.

        :return: of a Loaded, to be awaited in a callback of the node.
        :raises InvalidInput: if another bundle is being loaded.
        """
        if self.busy:
            raise InvalidInput('another bundle is being loaded; try again when it is done')
        future = Future(executor=self._node.executor)
        self._thread = threading.Thread(target=self._work, args=(future, *what), daemon=True,
                                        name='bundle-loader')
        self._thread.start()
        return future

    def _work(self, future: Any, *what: str) -> None:
        try:
            loaded = load(*what)
        except Exception as error:  # whatever is wrong with a bundle, the old one goes on
            future.set_exception(error)
        else:
            future.set_result(loaded)
        executor = self._node.executor
        if executor is not None:  # it does not notice futures while it waits for messages
            executor.wake()
