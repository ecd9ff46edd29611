# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Command `sweep`: search the settings of a recipe with Optuna.

`sweep --output RUN --vary KEY=LOW..HIGH ... -- STAGE ...` trains STAGE, with the options of
`train` except for --output, once for each trial, and keeps each run. What a trial tries is chosen
from the dev scores of those before (tree-structured Parzen estimator). The same command resumes.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

from mmer_ros.types import InvalidInput
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from rich.console import Console
from training.commands import train
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.config import nested, parse_yaml
from training.engine.files import fingerprint, write_file
from training.engine.run_folder import RunFolder
from training.engine.run_lock import claim
import yaml

RESERVED = ('--output', '--seeds', '--bundle')  # that a trial chooses itself


@dataclass(frozen=True)
class Range:
    """
    What a setting is chosen from.

    :param choices: if not empty, one of these; otherwise a number from low to high.
    """

    key: str
    low: float = 0
    high: float = 0
    log: bool = False
    choices: tuple[Any, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Range:
        """
        Read `lr=1e-5..1e-3:log`, `layers=1..4` or `kind=a,b`.

        >>> Range.parse('engine.lr=1e-5..1e-3:log')
        Range(key='engine.lr', low=1e-05, high=0.001, log=True, choices=())

        :raises InvalidInput: if it is none of these.
        """
        key, equals, values = text.partition('=')
        low, dots, high = values.removesuffix(':log').partition('..')
        try:
            if not key or not equals or not values:
                raise ValueError
            if not dots:
                return cls(key, choices=tuple(parse_yaml(each) for each in values.split(',')))
            whole = all(each.strip().lstrip('-').isdigit() for each in (low, high))
            number = int if whole else float
            found = cls(key, number(low), number(high), values.endswith(':log'))
        except ValueError as error:
            raise InvalidInput(f'--vary {text}: expected KEY=LOW..HIGH, KEY=LOW..HIGH:log or '
                               'KEY=A,B,C') from error
        if found.low >= found.high or found.log and found.low <= 0:
            raise InvalidInput(f'--vary {text}: expected LOW below HIGH, and above 0 with :log')
        return found

    def draw(self, trial: optuna.Trial) -> Any:
        """Return the value of a trial."""
        if self.choices:
            return trial.suggest_categorical(self.key, self.choices)
        if isinstance(self.low, int):
            return trial.suggest_int(self.key, self.low, int(self.high), log=self.log)
        return trial.suggest_float(self.key, self.low, self.high, log=self.log)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('--output', type=Path, required=True, metavar='RUN',
                        help='folder of all trials; the same command resumes')
    parser.add_argument('--vary', action='append', required=True, metavar='KEY=LOW..HIGH', help=(
        'setting to search, in a range (with :log on a logarithmic scale) or among KEY=A,B,C; '
        'may be repeated'))
    parser.add_argument('--trials', type=int, default=20, metavar='N')
    parser.add_argument('--search-seed', type=int, default=0, metavar='N')
    parser.add_argument('stage', nargs='+', metavar='STAGE ...', help=(
        'text, audio, face or fusion, and the options of `train` for it, after --'))


def run(options: argparse.Namespace) -> int:
    """Run the trials that are missing, write best.yaml; return the exit code."""
    ranges = [Range.parse(text) for text in options.vary]
    taken = [word for word in options.stage if word.partition('=')[0] in RESERVED]
    if taken:
        raise InvalidInput(f'sweep: {taken[0]} is chosen for each trial; leave it out')
    options.output.mkdir(parents=True, exist_ok=True)
    claim(options.output)
    console = Console(stderr=True)
    study = _study(options)
    while len(study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))) < options.trials:
        trial = study.ask()
        values = {each.key: each.draw(trial) for each in ranges}
        score = _trial(options, values)
        study.tell(trial, score)
        told = '  '.join(f'{key}={value:.3g}' if isinstance(value, float) else f'{key}={value}'
                         for key, value in values.items())
        console.print(f'trial {trial.number}: dev weighted F1 {score:.3f}; {told}',
                      highlight=False)
    best = study.best_trial
    values = {each.key: best.params[each.key] for each in ranges}
    _write_recipe(options, values)
    console.print(f'best: trial {best.number}, dev weighted F1 {best.value:.3f}; '
                  f'{options.output / "best.yaml"}', highlight=False)
    return 0


def _study(options: argparse.Namespace) -> optuna.Study:
    """Return the study; what a killed sweep was at is tried first."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {'vary': sorted(options.vary), 'stage': options.stage}
    RunFolder(options.output).record_data(space)
    storage = JournalStorage(JournalFileBackend(str(options.output / 'trials.jsonl')))
    study = optuna.create_study(storage=storage, study_name='sweep', direction='maximize',
                                load_if_exists=True)
    # A sampler that began again with the same seed would repeat its first trials.
    study.sampler = optuna.samplers.TPESampler(seed=options.search_seed + len(study.trials))
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        study.enqueue_trial(trial.params)
    return study


def _trial(options: argparse.Namespace, values: Mapping[str, Any]) -> float:
    """Train, or finish, the run with these settings, and return its dev score."""
    settings = [f'{key}={json.dumps(value)}' for key, value in values.items()]
    folder = options.output / 'runs' / fingerprint(*settings)
    stage, *given = options.stage
    parser = argparse.ArgumentParser(prog='python -m training sweep ... --')
    train.add_arguments(parser)
    bundle = ['--bundle', str(folder / 'bundle')] if stage == 'fusion' else []
    train.run(parser.parse_args([stage, '--output', str(folder), *bundle, *given, *settings]))
    facts = RunFolder(folder).facts() if stage == 'fusion' else TrainedEncoder.load(folder).facts
    members = facts.get('ensemble', [facts])
    return sum(float(each['weighted_f1']) for each in members) / len(members)


def _write_recipe(options: argparse.Namespace, values: Mapping[str, Any]) -> None:
    """Write a recipe that extends the given one by the best values."""
    given: Sequence[str] = options.stage
    base = [given[i + 1] for i, word in enumerate(given[:-1]) if word == '--recipe']
    fixed = [word for word in given if '=' in word and not word.startswith('-')]
    chosen = nested([*fixed, *(f'{key}={json.dumps(value)}' for key, value in values.items())])
    recipe = ({'base': base[-1]} if base else {}) | chosen
    write_file(options.output / 'best.yaml', yaml.safe_dump(recipe, sort_keys=False).encode())
