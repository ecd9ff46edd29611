# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Offline training and evaluation: python -m training COMMAND; see --help."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys

from mmer_ros.types import InvalidInput
from rich.console import Console
from rich.logging import RichHandler

COMMANDS = {
    'synth': 'generate a synthetic corpus in the layout of MELD',
    'prepare': 'decode the clips of a corpus into a cache',
    'convert': 'write a corpus as a manifest',
    'train': 'train an encoder, or the fusion of three',
    'sweep': 'search the settings of a recipe with Optuna',
    'evaluate': 'compare trained encoders, bundles and a baseline',
    'asr': 'measure the robustness of text to errors of a speech recogniser',
    'ablate': 'train and compare ablations of the fusion',
    'finetune': 'fine-tune a bundle on recordings of your own people',
    'starter': 'make the bundle that ships, from its data to its card',
    'plus': 'make the bundle whose voice has learnt several corpora',
    'pairs': 'check the fusion on real pairs of voice and face',
    'faces': 'measure face encoders on pictures, sequences and people not learnt from',
    'families': 'compare ways to fuse real voices and faces',
    'voices': 'measure voices on corpora that were not learnt from',
    'texts': 'measure text encoders on dialogues that were not learnt from',
    'live': 'measure the loss from offline evaluation to the live system',
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code: 0 good, 2 bad input, 130 interrupted."""
    parser = argparse.ArgumentParser(prog='python -m training', description=__doc__)
    parser.add_argument('--threads', type=int, default=int(os.environ.get('OMP_NUM_THREADS', 0)),
                        help='CPU threads of the networks (default: as torch chooses)')
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    given = sys.argv[1:] if arguments is None else arguments
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        if name in given:  # imports are slow
            module = importlib.import_module(f'training.commands.{name}')
            command.description = module.__doc__
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    logging.basicConfig(format='%(message)s', handlers=[RichHandler(
        console=console, show_time=False, show_path=False)])
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    try:
        code: int = options.run(options)
        return code
    except InvalidInput as error:
        console.print(f'[bold red]error:[/] {error}', highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print('interrupted; the same command resumes from the last checkpoint')
        return 130


if __name__ == '__main__':
    sys.exit(main())
