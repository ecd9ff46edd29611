"""What the nodes have in common that have a recogniser: its bundle may be changed."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol

from mmer_ros.nodes.bundle_loader import Loaded, tell_bundle
from mmer_ros.nodes.managed_node import ManagedNode
from mmer_ros.nodes.services import BundleService, Services
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import InvalidInput


class Recognizing(Protocol):
    """What recognises, as mmer_ros.recognition.pipeline.Pipeline."""

    partial_rate: float

    @property
    def recognizer(self) -> Recognizer:
        """Of the utterances that begin from now on."""

    def reset_history(self) -> None:
        """Forget the dialogue so far."""


class RecognizingNode(ManagedNode):
    """A managed node that has a recogniser, and the services that go with it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Declare the parameters and offer the services."""
        self._offered: BundleService | None = None  # the diagnostics begin before it is there
        super().__init__(*args, **kwargs)
        Services(self, self)
        self._offered = BundleService(self, self)

    @abstractmethod
    def _engine(self) -> Recognizing | None:
        """Return what recognises; None while the node is not configured."""

    @abstractmethod
    def _exchange(self, loaded: Loaded) -> None:
        """Go on with another recogniser; the worker calls it."""

    def reset_history(self) -> str:
        """Forget the dialogue so far, as services.Served."""
        self._do(self._configured().reset_history)
        return 'the dialogue so far is forgotten'

    def bundle_options(self) -> tuple[str, str, str]:
        """Return device, expected hash and prior of a bundle, as services.ServedWithBundle."""
        self._configured()
        return self._settings.device, self._settings.bundle_hash, self._settings.prior

    def change_bundle(self, name: str, loaded: Loaded) -> str:
        """Go on with another bundle from the next utterance on, likewise."""
        self._configured()
        self._do(lambda: self._exchange(loaded))
        self._set_own('bundle', name)
        tell_bundle(self, loaded.recognizer)
        return f'{loaded.recognizer.config.name} is used from the next utterance on'

    def _configured(self) -> Recognizing:
        engine = self._engine()
        if engine is None:
            raise InvalidInput('the node is not configured')
        return engine

    def _is_configured(self) -> bool:
        return self._engine() is not None

    def _recognizer(self) -> Recognizer | None:
        engine = self._engine()
        return engine.recognizer if engine is not None else None

    def _is_loading(self) -> bool:
        return self._offered is not None and self._offered.loading

    def _after_set(self, name: str, value: Any) -> None:
        engine = self._engine()
        if name == 'partial_rate' and engine is not None:
            engine.partial_rate = value
