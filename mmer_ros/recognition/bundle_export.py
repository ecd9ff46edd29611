# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Graphs for a bundle: its networks exported for ONNX Runtime."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from mmer_ros.onnx_graphs import INSTALL_TORCH, is_installed
from mmer_ros.recognition.bundle import (
    Bundle,
    BundleError,
    CONFIG,
    GRAPH,
    WEIGHTS,
    write_bundle,
)
from mmer_ros.recognition.bundle_networks import current_name
from mmer_ros.types import InvalidInput


class NotExportable(BundleError):
    """A bundle with a network that no graph can hold."""


def save_with_graphs(bundle: Bundle, folder: Path) -> Bundle:
    """
    Write a new bundle, with graphs if its networks can be exported.

    :return: the bundle as written.
    """
    bundle.save(folder)
    try:
        return export_bundle(folder)
    except NotExportable:
        return bundle


def export_bundle(folder: Path, output: Path | None = None) -> Bundle:
    """
    Write a bundle with graphs for ONNX Runtime; its networks and their weights stay as they are.

    The graphs take their weights from model.safetensors. Their hashes are entered in config.json,
    so that the content hash of the bundle, which is that of config.json, is a new one.

    :param folder: the bundle.
    :param output: where the new one is written; None: in its place.
    :return: the bundle as written.
    :raises NotExportable: if it has a network that cannot be exported.
    :raises BundleError: if it cannot be used.
    :raises InvalidInput: if torch or onnx is not installed.
    """
    for package, remedy in (('torch', INSTALL_TORCH), ('onnx', 'pip install onnx')):
        if not is_installed(package):
            raise InvalidInput(f'export: {package} is not installed; {remedy}')
    from mmer_ros.networks.export import export_graphs
    bundle = Bundle.load(folder)
    files = {name: data for name, data in bundle.read_files().items() if not name.endswith(GRAPH)}
    graphs = export_graphs(bundle.model, files[WEIGHTS], WEIGHTS, current_name)
    if not graphs:
        raise NotExportable(f'bundle {folder}: one of its encoders cannot be exported; '
                            'use it with engine torch')
    files |= {f'{name}{GRAPH}': data for name, data in graphs.items()}
    # Everything else in the file stays as it is written there.
    config = json.loads(files.pop(CONFIG))
    config['files'] = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    files[CONFIG] = json.dumps(config, indent=2, ensure_ascii=False).encode() + b'\n'
    write_bundle(output or folder, files)
    return Bundle.load(output or folder)
