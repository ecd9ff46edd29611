"""What the node can be asked to do besides the transitions of its life."""

from __future__ import annotations

from typing import Any, Protocol

from mmer_msgs.srv import LoadBundle
from mmer_ros.nodes.bundle_loader import BundleLoader, Loaded
from mmer_ros.types import InvalidInput
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger


class Served(Protocol):
    """What the services act on."""

    def enable(self, wanted: bool) -> str:
        """Listen or do not; return what a person should know."""

    def reset_history(self) -> str:
        """
        Forget the dialogue so far; return what a person should know.

        :raises InvalidInput: if there is none.
        """


class ServedWithBundle(Served, Protocol):
    """What also has a bundle."""

    def bundle_options(self) -> tuple[str, str, str]:
        """
        Return device, expected hash and prior of a bundle to be loaded.

        :raises InvalidInput: if none can be taken now.
        """

    def change_bundle(self, name: str, loaded: Loaded) -> str:
        """
        Go on with another bundle; return what a person should know.

        :raises InvalidInput: if it cannot be taken any more.
        """


class Services:
    """~/enable and ~/reset_history."""

    def __init__(self, node: Node, served: Served) -> None:
        """Offer them."""
        self._served = served
        node.create_service(SetBool, '~/enable', self._enable)
        node.create_service(Trigger, '~/reset_history', self._reset_history)

    def _enable(self, request: Any, response: Any) -> Any:
        response.success, response.message = True, self._served.enable(request.data)
        return response

    def _reset_history(self, request: Any, response: Any) -> Any:
        try:
            response.success, response.message = True, self._served.reset_history()
        except InvalidInput as error:
            response.success, response.message = False, str(error)
        return response


class BundleService:
    """~/load_bundle."""

    def __init__(self, node: Node, served: ServedWithBundle) -> None:
        """Offer it."""
        self._served = served
        self._loader = BundleLoader(node)
        # In a group of its own: while it waits, a group lets nothing else of it run.
        node.create_service(LoadBundle, '~/load_bundle', self._load_bundle,
                            callback_group=ReentrantCallbackGroup())

    @property
    def loading(self) -> bool:
        """Whether a bundle is being loaded."""
        return self._loader.busy

    async def _load_bundle(self, request: Any, response: Any) -> Any:
        try:
            loaded = await self._loader.start(request.bundle, *self._served.bundle_options())
            response.message = self._served.change_bundle(request.bundle, loaded)
            response.hash = loaded.recognizer.bundle.content_hash
            response.success = True
        except InvalidInput as error:
            response.message = str(error)
        except Exception as error:
            response.message = f'{request.bundle}: {type(error).__name__}: {error}'
        return response
