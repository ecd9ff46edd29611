# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Options of the commands that can turn speech into words on this computer."""

from __future__ import annotations

import argparse

from mmer_ros.asr import AsrOptions
from mmer_ros.types import InvalidInput


def add_asr_options(parser: argparse.ArgumentParser) -> None:
    """Add --transcribe, --language and --download."""
    group = parser.add_argument_group('words, recognised on this computer (the extra asr)')
    group.add_argument('--transcribe', default='', metavar='MODEL', help=(
        'recognise the words with this Whisper model: the folder of a CTranslate2 model, or the '
        'name of one that is on this computer, e.g. base.en'))
    group.add_argument('--language', default='', metavar='CODE', help=(
        'of the speech, e.g. en (default: detected in each utterance)'))
    group.add_argument('--download', action='store_true', help=(
        'download the model that --transcribe names, if it is not on this computer'))


def given_asr(options: argparse.Namespace) -> AsrOptions | None:
    """
    Return what is asked for; None: no words.

    :raises InvalidInput: if an option is given that needs --transcribe.
    """
    if not options.transcribe:
        for name in ('language', 'download'):
            if getattr(options, name):
                raise InvalidInput(f'--{name}: only with --transcribe MODEL')
        return None
    return AsrOptions(options.transcribe, options.language, options.download, options.threads)
