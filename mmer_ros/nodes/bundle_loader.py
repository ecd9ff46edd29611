"""Loading of another bundle in the background."""

from __future__ import annotations

from dataclasses import dataclass
import threading
from typing import Any

from mmer_ros.faces import FaceDetector
from mmer_ros.recognizer import Recognizer
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
    return Loaded(recognizer, FaceDetector(recognizer.config.faces, recognizer.device))


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
