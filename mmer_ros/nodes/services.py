# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The services of the nodes besides those of the lifecycle."""

from __future__ import annotations

from typing import Any, Protocol

from mmer_msgs.srv import LoadBundle
from mmer_ros.nodes.bundle_loader import BundleLoader, LoadedBundle
from mmer_ros.runtime.internal_error import describe_error
from mmer_ros.text_repair import one_line
from mmer_ros.types import InvalidInput
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger


class Controllable(Protocol):
    """A node with the services ~/enable and ~/reset_history."""

    def enable(self, wanted: bool) -> str:
        """Start or stop listening to the inputs; return the message of the response."""

    def reset_history(self) -> str:
        """
        Forget the dialogue so far; return the message of the response.

        :raises InvalidInput: if the node is not configured.
        """


class BundleOwner(Controllable, Protocol):
    """A node with the service ~/load_bundle."""

    def bundle_options(self) -> tuple[str, str, str, str, str, bool]:
        """
        Return device, expected hash, prior, folders, engine and adaptation for a bundle to load.

        :raises InvalidInput: if no bundle can be loaded now.
        """

    def change_bundle(self, name: str, loaded: LoadedBundle) -> str:
        """
        Replace the bundle; return the message of the response.

        :raises InvalidInput: if it can no longer be replaced.
        """


class ControlServices:
    """~/enable and ~/reset_history."""

    def __init__(self, node: Node, target: Controllable) -> None:
        self._target = target
        node.create_service(SetBool, '~/enable', self._enable)
        node.create_service(Trigger, '~/reset_history', self._reset_history)

    def _enable(self, request: Any, response: Any) -> Any:
        response.success, response.message = True, self._target.enable(request.data)
        return response

    def _reset_history(self, request: Any, response: Any) -> Any:
        try:
            response.success, response.message = True, self._target.reset_history()
        except InvalidInput as error:
            response.success, response.message = False, str(error)
        return response


class BundleService:
    """~/load_bundle."""

    def __init__(self, node: Node, target: BundleOwner) -> None:
        self._target = target
        self._loader = BundleLoader(node)
        # A callback group of its own: no other callback of a group runs while this one waits.
        node.create_service(LoadBundle, '~/load_bundle', self._load_bundle,
                            callback_group=ReentrantCallbackGroup())

    @property
    def loading(self) -> bool:
        """Whether a bundle is being loaded."""
        return self._loader.busy

    async def _load_bundle(self, request: Any, response: Any) -> Any:
        try:
            loaded = await self._loader.start(request.bundle, *self._target.bundle_options())
            response.message = self._target.change_bundle(request.bundle, loaded)
            response.hash = loaded.recognizer.bundle.content_hash
            response.success = True
        except InvalidInput as error:
            response.message = one_line(str(error))
        except Exception as error:
            response.message = one_line(f'{request.bundle}: {describe_error(error)}')
        return response
