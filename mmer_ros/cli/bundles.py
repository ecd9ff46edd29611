# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""`mmer inspect`, `mmer create-bundle` and `mmer export`: bundles without training."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mmer_ros.cli.console import escaped, print_line, to_stdout
from mmer_ros.onnx_graphs import AUTO
from mmer_ros.recognition.bundle import architectures, Bundle, CARD, find_bundle
from mmer_ros.recognition.bundle_config import BundleConfig
from mmer_ros.recognition.bundle_export import export_bundle
from mmer_ros.recognition.prior_correction import ROBOT
from mmer_ros.types import ALL_MODALITIES, InvalidInput
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table


def add_create_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mmer create-bundle`."""
    parser.add_argument('architecture', choices=architectures())
    parser.add_argument('folder', type=Path)
    parser.add_argument('--seed', type=int, default=0)
    parser.set_defaults(run=run_create)


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mmer export`."""
    parser.add_argument('bundle', help='name or folder')
    parser.add_argument('folder', type=Path, nargs='?', help=(
        'where the bundle with graphs is written (default: in its own place)'))
    parser.set_defaults(run=run_export)


def add_inspect_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mmer inspect`."""
    parser.add_argument('bundle')
    parser.add_argument('--json', action='store_true', help='print all of its settings')
    parser.set_defaults(run=run_inspect)


def run_create(options: argparse.Namespace, console: Console) -> int:
    """Write an untrained bundle."""
    if options.folder.exists() and (not options.folder.is_dir() or any(options.folder.iterdir())):
        raise InvalidInput(f'{options.folder}: something is there; it is left as it is. Give a '
                           'new folder')
    bundle = Bundle.untrained(options.architecture, options.seed)
    bundle.save(options.folder)
    print_line(console, (f'wrote {options.folder}: {bundle.config.name}, UNTRAINED, hash '
                         f'{bundle.content_hash}'))
    return 0


def run_export(options: argparse.Namespace, console: Console) -> int:
    """Write graphs into a bundle."""
    folder = find_bundle(options.bundle)
    if folder is None:
        raise InvalidInput(f'{options.bundle}: it is an architecture without a folder; write it '
                           f'with: mmer create-bundle {options.bundle} FOLDER')
    if options.folder is not None and options.folder.exists():
        raise InvalidInput(f'{options.folder}: something is there; it is left as it is. Give a '
                           'new folder')
    bundle = export_bundle(folder, options.folder)
    print_line(console, f'wrote {bundle.folder}: {bundle.config.name} with graphs, hash '
                        f'{bundle.content_hash}')
    return 0


def run_inspect(options: argparse.Namespace, console: Console) -> int:
    """Print a summary of a bundle, or all of it as JSON."""
    bundle = Bundle.load(options.bundle, engine=AUTO)
    sizes = bundle.count_parameters()
    if options.json:
        config = bundle.config
        print(json.dumps({'name': config.name, 'hash': bundle.content_hash,
                          'trained': config.trained, 'calibrated': config.calibrated,
                          'parameters': sizes, 'config': config.model_dump(mode='json')},
                         indent=2))
        return 0
    to_stdout().print(_summary(bundle, sizes))
    return 0


def _thresholds(config: BundleConfig) -> str:
    """Return the confidence from which answers are right often enough, a line per subset."""
    return '\n'.join(f'{name}: ' + ', '.join(
        f'{label} {limit:.2f}' if limit is not None else f'{label} never'
        for label, limit in zip(config.labels, limits))
        for name, limits in config.thresholds.items())


def _summary(bundle: Bundle, sizes: dict[str, int]) -> Table:
    config = bundle.config
    state = 'UNTRAINED: its estimates mean nothing' if not config.trained else (
        'trained, calibrated' if config.calibrated else 'trained, not calibrated')
    millions = ', '.join(f'{name} {count / 1e6:.2f}' for name, count in sizes.items())
    weights = ', '.join(f'{name} {weight:.2f}' for name, weight in
                        zip(ALL_MODALITIES.names, config.modality_weights))
    table = Table(box=SIMPLE, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, style='bold')
    table.add_column(overflow='fold')
    rows = {
        'bundle': config.name,
        'hash': bundle.content_hash,
        'state': state,
        'emotions': ', '.join(config.labels),
        'languages': ', '.join(config.languages) or 'any',
        'audio': f'{config.sample_rate} Hz, mono',
        'million parameters': f'{millions}; {sum(sizes.values()) / 1e6:.2f} in all',
        'stored as': config.weights,
        'engines': 'torch' if bundle.lacks_graphs else 'onnx, torch',
        'modality weights': weights,
        'temperatures': ', '.join(f'{name} {value:.2f}'
                                  for name, value in config.temperatures.items()) or 'none',
        f'4 of 5 right from (prior {ROBOT})': _thresholds(config) or 'not measured',
        'licences': config.notice or 'nothing is said',
        'more': f'{CARD}; mmer inspect BUNDLE --json prints all settings',
    }
    for name, value in rows.items():
        table.add_row(name, escaped(value))
    return table
