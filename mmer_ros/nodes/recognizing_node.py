# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The part that the nodes with a recogniser share: its bundle can be replaced."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol

from mmer_ros.nodes.bundle_loader import load_configured_recognizer, LoadedBundle, log_bundle
from mmer_ros.nodes.managed_node import ManagedNode
from mmer_ros.nodes.services import BundleService, ControlServices
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.settings import NodeSettings
from mmer_ros.types import InvalidInput


class RecognitionEngine(Protocol):
    """The part of the core that recognises, such as recognition.pipeline.Pipeline."""

    partial_rate: float

    @property
    def recognizer(self) -> Recognizer:
        """Recogniser of the next utterances."""

    def reset_history(self) -> None:
        """Forget the dialogue so far."""


class RecognizingNode(ManagedNode):
    """A managed node with a recogniser and the services ~/load_bundle, ~/reset_history."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._bundle_service: BundleService | None = None  # the diagnostics start before it
        super().__init__(*args, **kwargs)
        ControlServices(self, self)
        self._bundle_service = BundleService(self, self)

    @abstractmethod
    def _engine(self) -> RecognitionEngine | None:
        """Return the recognising part; None while the node is not configured."""

    @abstractmethod
    def _create_engine(self, settings: NodeSettings, recognizer: Recognizer) -> None:
        """Create the recognising part and the outputs."""

    @abstractmethod
    def _replace_bundle(self, loaded: LoadedBundle) -> None:
        """Use another recogniser for the next utterances; runs on the worker thread."""

    def reset_history(self) -> str:
        """Forget the dialogue so far; see services.Controllable."""
        self._run_on_worker(self._configured().reset_history)
        return 'the dialogue history is cleared'

    def bundle_options(self) -> tuple[str, str, str, str, str, bool]:
        """Return what `load_bundle` takes beside the bundle; see services.BundleOwner."""
        self._configured()
        settings = self._settings
        return (settings.device, settings.bundle_hash, settings.prior, settings.bundle_folders,
                settings.engine, settings.adapt_to_voices)

    def change_bundle(self, name: str, loaded: LoadedBundle) -> str:
        """Use another bundle from the next utterance on; see services.BundleOwner."""
        self._configured()
        self._run_on_worker(lambda: self._replace_bundle(loaded))
        self._set_own('bundle', name)
        log_bundle(self, loaded.recognizer)
        return f'{loaded.recognizer.config.name} is used from the next utterance on'

    def _create(self, settings: NodeSettings) -> None:
        recognizer = load_configured_recognizer(self, settings)
        self._create_engine(settings, recognizer)
        log_bundle(self, recognizer)

    def _configured(self) -> RecognitionEngine:
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
        return self._bundle_service is not None and self._bundle_service.loading

    def _apply_live(self, name: str, value: Any) -> None:
        engine = self._engine()
        if name == 'partial_rate' and engine is not None:
            engine.partial_rate = value
