# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Loading of bundles: the first one during configuration, later ones in the background."""

from __future__ import annotations

from dataclasses import dataclass
import threading
from typing import Any

from mmer_ros.nodes.health.process_usage import release_memory
from mmer_ros.onnx_graphs import AUTO
from mmer_ros.recognition.bundle import check_place
from mmer_ros.recognition.recognizer import Recognizer, UNTRAINED
from mmer_ros.sensing.face_detector import FaceDetector, make_detector
from mmer_ros.settings import NodeSettings
from mmer_ros.text_repair import one_line
from mmer_ros.types import InvalidInput
from rclpy.node import Node
from rclpy.task import Future


@dataclass(frozen=True)
class LoadedBundle:
    """A recogniser ready for use, and the face detector of its bundle."""

    recognizer: Recognizer
    detector: FaceDetector


def load_bundle(bundle: str, device: str, expected_hash: str, prior: str, folders: str = '',
                engine: str = AUTO, adapt_to_voices: bool = True) -> LoadedBundle:
    """
    Load a bundle and run its networks once.

    :param folders: as in recognition.bundle.check_place.
    :raises InvalidInput: if it cannot be used.
    """
    check_place(bundle, folders)
    recognizer = _load_recognizer(bundle, device, expected_hash, prior, engine, adapt_to_voices)
    return LoadedBundle(recognizer, make_detector(
        recognizer.config.faces, recognizer.device, recognizer.sensing_engine))


def load_configured_recognizer(node: Node, settings: NodeSettings) -> Recognizer:
    """
    Load the bundle of the settings and run its networks once.

    :raises InvalidInput: if it cannot be used.
    """
    node.get_logger().info(f'loading bundle {one_line(settings.bundle)}')
    check_place(settings.bundle, settings.bundle_folders)
    return _load_recognizer(settings.bundle, settings.device, settings.bundle_hash,
                            settings.prior, settings.engine, settings.adapt_to_voices)


def _load_recognizer(bundle: str, device: str, expected_hash: str, prior: str, engine: str,
                     adapt_to_voices: bool) -> Recognizer:
    recognizer = Recognizer.load(bundle, device=device, expected_hash=expected_hash, prior=prior,
                                 engine=engine, adapt_to_voices=adapt_to_voices)
    recognizer.warm_up()
    return recognizer


def log_bundle(node: Node, recognizer: Recognizer) -> None:
    """Log the bundle in use, with a warning if it is untrained."""
    config = recognizer.config
    node.get_logger().info(f'bundle {config.name}, hash {recognizer.bundle.content_hash[:12]}, '
                           f'device {recognizer.device}, engine {recognizer.engine}')
    if not config.trained:
        node.get_logger().warning(UNTRAINED.format(name=config.name))


class BundleLoader:
    """Load bundles in a thread, one at a time."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._busy = False

    @property
    def busy(self) -> bool:
        """Whether a bundle is being loaded."""
        return self._busy

    def start(self, *options: Any) -> Future:
        """
        Start to load a bundle.

        :param options: the arguments of `load_bundle`.
        :return: future of a LoadedBundle, to be awaited in a callback of the node.
        :raises InvalidInput: if another bundle is being loaded.
        """
        if self.busy:
            raise InvalidInput('another bundle is being loaded; try again when it is done')
        future = Future(executor=self._node.executor)
        self._busy = True
        threading.Thread(target=self._work, args=(future, *options), daemon=True,
                         name='bundle-loader').start()
        return future

    def _work(self, future: Any, *options: Any) -> None:
        try:
            loaded = load_bundle(*options)
        except BaseException as error:  # whatever is wrong with the bundle, the old one stays
            _release_frames(error)
            release_memory()
            self._busy = False
            future.set_exception(error if isinstance(error, Exception) else InvalidInput(
                f'bundle {options[0]}: {error}'))  # a panic of a library
        else:
            release_memory()
            self._busy = False
            future.set_result(loaded)
        executor = self._node.executor
        if executor is not None:  # it does not notice futures while it waits for messages
            executor.wake()


def _release_frames(error: BaseException) -> None:
    """Let go of the frames of an exception, in whose variables the refused model lives on."""
    seen: BaseException | None = error
    while seen is not None:
        seen.__traceback__ = None
        seen = seen.__cause__ or seen.__context__
