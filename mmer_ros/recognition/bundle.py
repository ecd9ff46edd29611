# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Bundles: a trained model as a folder that checks and rebuilds itself, without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
import hashlib
from importlib import resources
import json
import os
from pathlib import Path
import shutil
import tempfile
from typing import TYPE_CHECKING

from mmer_ros.networks.onnx_networks import FUSION, OnnxModel
from mmer_ros.networks.text_input import byte_tokenizer
from mmer_ros.onnx_graphs import choose_engine, ONNX, TORCH
from mmer_ros.recognition.bundle_config import (
    BundleConfig,
    BundleError,
    CARD,
    CONFIG,
    DEFAULT_BUNDLE,
    FILE_NAME,
    FORMAT_VERSION,
    GRAPH,
    MAX_BYTES,
    MAX_GRAPH_BYTES,
    NO_GRAPHS,
    OWN_KEYS,
    SEARCH_PATH_VARIABLE,
    TOKENIZER,
    WEIGHTS,
)
from mmer_ros.recognition.bundle_networks import (
    changed,
    count_parameters,
    make_graphs,
    make_model,
)
from mmer_ros.types import EMOTIONS, SAMPLE_RATE, SUBSETS
from pydantic import ValidationError
from tokenizers import Tokenizer

if TYPE_CHECKING:
    from mmer_ros.networks.emotion_model import EmotionModel
    from torch import Tensor

__all__ = ['architectures', 'available_bundles', 'Bundle', 'BundleConfig', 'BundleError', 'CARD',
           'check_place', 'CONFIG', 'DEFAULT_BUNDLE', 'find_bundle', 'GRAPH', 'MAX_BYTES',
           'SEARCH_PATH_VARIABLE', 'TOKENIZER', 'WEIGHTS', 'write_bundle']


@dataclass(frozen=True)
class Bundle:
    """
    A model in memory with everything needed to run it.

    :param modules: the networks in torch; None: not loaded.
    :param content_hash: sha256 of config.json, which itself names the hashes of all other files,
        graphs included.
    :param folder: where it was loaded from.
    """

    config: BundleConfig
    modules: EmotionModel | None
    tokenizer: Tokenizer
    card: str
    content_hash: str
    folder: Path | None = None

    @cached_property
    def model(self) -> EmotionModel:
        """
        The torch modules; read from the folder if the bundle was loaded for another engine.

        :raises BundleError: if they cannot be read.
        """
        if self.modules is not None:
            return self.modules
        _check_file(self._source(), WEIGHTS, self.config.files[WEIGHTS])
        return make_model(self._source(), self.config, self.tokenizer)

    @cached_property
    def graphs(self) -> OnnxModel:
        """
        The model as graphs in ONNX Runtime.

        :raises BundleError: if it has none, or they cannot be used.
        """
        if self.lacks_graphs:
            raise BundleError(self.lacks_graphs)
        return make_graphs(self._source(), self.config, self.tokenizer)

    @property
    def lacks_graphs(self) -> str:
        """Why it cannot run in ONNX Runtime; '' if it can."""
        return '' if self.folder and f'{FUSION}{GRAPH}' in self.config.files else (
            f'bundle {self.config.name}: {NO_GRAPHS}')

    def count_parameters(self) -> dict[str, int]:
        """Return how many numbers were learnt, by part of the model."""
        if self.folder is not None:
            return count_parameters(self.folder)
        return {name: sum(p.numel() for p in part.parameters())
                for name, part in self.model.named_children()}

    def _source(self) -> Path:
        if self.folder is None:
            raise BundleError(self.lacks_graphs)
        return self.folder

    @classmethod
    def create(cls, config: BundleConfig, model: EmotionModel, tokenizer: Tokenizer,
               card: str) -> Bundle:
        """
        Make a bundle of a model; its hashes are computed here.

        Weights that will be stored as float16 are rounded in the model at once, so that it gives
        the same results before and after it is saved.
        """
        if config.weights == 'float16':
            import torch
            with torch.no_grad():
                for parameter in _matrices(model):
                    parameter.copy_(parameter.half())
        model.use_tokenizer(tokenizer)
        contents = _contents(config, model, tokenizer, card)
        config = config.model_copy(update={
            'files': {name: _sha256(data) for name, data in contents.items()}})
        return cls(config, model, tokenizer, card, _sha256(config.to_json()))

    @classmethod
    def untrained(cls, architecture: str, seed: int = 0) -> Bundle:
        """
        Make a bundle of the named architecture with random weights, the same for each seed.

        :raises BundleError: if there is no such architecture.
        :raises InvalidInput: if torch is not installed, which makes the weights.
        """
        choose_engine(TORCH)
        text = _packaged('networks/architectures', f'{architecture}.json')
        if text is None:
            raise BundleError(f'architecture {architecture!r}: there is none of that name; '
                              f'there are {", ".join(architectures())}')
        config = BundleConfig.model_validate_json(text)
        from mmer_ros.networks.emotion_model import EmotionModel
        import torch
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = EmotionModel(config.model).eval()
        card = (f'# {architecture} (untrained)\n\nRandom weights (seed {seed}). Its estimates '
                'mean nothing: it serves to try the system.\n')
        return cls.create(config, model, byte_tokenizer(), card)

    @classmethod
    def load(cls, name_or_path: str | Path, expected_hash: str = '', *, engine: str = TORCH,
             device: str = 'cpu') -> Bundle:
        """
        Load a bundle by path, or by name from the search path or the package.

        A name that is only that of an architecture gives an untrained bundle.

        :param expected_hash: if given, any other bundle is refused.
        :param engine: that will run it, as of Recognizer; only its networks are loaded now.
        :param device: on which it will run.
        :raises BundleError: if it is not there, incomplete, changed or of another label order.
        :raises InvalidInput: if the engine cannot be used.
        """
        folder = find_bundle(name_or_path)
        if folder is None:
            choose_engine(engine, device, f'architecture {name_or_path}: {NO_GRAPHS}')
            bundle = cls.untrained(str(name_or_path))
            _check_hash(name_or_path, bundle.content_hash, expected_hash)
            return bundle
        config, content_hash = _read_config(folder)
        _check_hash(name_or_path, content_hash, expected_hash)
        return _read(folder, config, content_hash, engine, device)

    @staticmethod
    def read_config(name_or_path: str | Path) -> BundleConfig:
        """
        Read only the settings of a bundle, as `load` finds it.

        :raises BundleError: if it is not there, or its settings cannot be used.
        """
        folder = find_bundle(name_or_path)
        if folder is not None:
            return _read_config(folder)[0]
        text = _packaged('networks/architectures', f'{name_or_path}.json')
        assert text is not None  # find_bundle has looked
        return BundleConfig.model_validate_json(text)

    def save(self, folder: Path) -> None:
        """
        Write the bundle; the folder appears at once and complete, or stays as it was.

        :raises BundleError: if something else than a bundle is there.
        """
        write_bundle(folder, self.read_files())

    def read_files(self) -> dict[str, bytes]:
        """Return the contents of the files: as they were loaded, if they were."""
        if self.folder is not None:
            for name, digest in self.config.files.items():
                _check_file(self.folder, name, digest)
            return {name: (self.folder / name).read_bytes()
                    for name in (CONFIG, *self.config.files)}
        return {CONFIG: self.config.to_json(),
                **_contents(self.config, self.model, self.tokenizer, self.card)}


def write_bundle(folder: Path, files: Mapping[str, bytes]) -> None:
    """
    Write the files of a bundle; the folder appears at once and complete, or stays as it was.

    :raises BundleError: if something else than a bundle is there.
    """
    if folder.exists() and not (folder / CONFIG).is_file() and (
            not folder.is_dir() or any(folder.iterdir())):
        raise BundleError(f'{folder}: it is there and is no bundle; it is left as it is. '
                          'Give a new folder')
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f'.{folder.name}.'))
    old = partial.with_name(f'{partial.name}.old')
    try:
        for name, data in files.items():
            (partial / name).write_bytes(data)
        partial.chmod(0o755)
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def architectures() -> list[str]:
    """Return the names of the architectures that come with the package."""
    folder = resources.files('mmer_ros') / 'networks' / 'architectures'
    return sorted(f.name.removesuffix('.json') for f in folder.iterdir()
                  if f.name.endswith('.json'))


def find_bundle(name_or_path: str | Path) -> Path | None:
    """
    Return the folder of a bundle, or None if only an architecture of that name is known.

    :raises BundleError: if neither is there.
    """
    path = Path(name_or_path).expanduser()
    searched = [Path(p).expanduser() / path
                for p in os.environ.get(SEARCH_PATH_VARIABLE, '').split(os.pathsep) if p]
    searched.append(Path(str(resources.files('mmer_ros'))) / 'bundles' / path)
    if path.name in ('', '.') or _holds_bundle(path) or path.is_absolute():
        searched = [path]
    for folder in searched:
        if _holds_bundle(folder):
            return folder
    if str(name_or_path) in architectures():
        return None
    raise BundleError(
        f'bundle {str(name_or_path)!r}: no {CONFIG} in ' + ' or '.join(map(str, searched)) +
        f'; name one of the bundles {", ".join(available_bundles())}, or of the untrained '
        f'{", ".join(architectures())}; or give the folder of a bundle, or set '
        f'{SEARCH_PATH_VARIABLE} to the folder that it is in')


def _holds_bundle(folder: Path) -> bool:
    try:
        return (folder / CONFIG).is_file()
    except (OSError, ValueError):  # no file can have this name
        return False


def check_place(name_or_path: str | Path, folders: str) -> None:
    """
    Check that a bundle is where bundles may be loaded from.

    :param folders: with os.pathsep between them, besides the search path and the package;
        '' allows any.
    :raises BundleError: if it is elsewhere; the error does not say what is there.
    """
    if not folders:
        return
    places = [*folders.split(os.pathsep), *os.environ.get(SEARCH_PATH_VARIABLE, '').split(
        os.pathsep), str(resources.files('mmer_ros') / 'bundles')]
    try:
        folder = find_bundle(name_or_path)
    except BundleError:
        allowed = False
    else:
        allowed = folder is None or any(
            folder.resolve().is_relative_to(Path(place).expanduser().resolve())
            for place in places if place)
    if not allowed:
        raise BundleError(f'bundle {str(name_or_path)!r}: there is none where bundles may be '
                          f'loaded from; there is {", ".join(available_bundles())}; or put it '
                          'into one of the parameter bundle_folders')


def available_bundles() -> list[str]:
    """Return the names of the bundles on the search path and in the package."""
    places = [Path(p).expanduser() for p in
              os.environ.get(SEARCH_PATH_VARIABLE, '').split(os.pathsep) if p]
    places.append(Path(str(resources.files('mmer_ros'))) / 'bundles')
    return sorted({folder.parent.name for place in places
                   for folder in place.glob(f'*/{CONFIG}')})


def _packaged(folder: str, name: str) -> str | None:
    file = resources.files('mmer_ros') / folder / name
    return file.read_text() if file.is_file() else None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _matrices(model: EmotionModel) -> list[Tensor]:
    """Return the weights that may be rounded: not biases, nor what norms and spectrograms hold."""
    return [p for p in model.parameters() if p.dim() > 1]


def _contents(config: BundleConfig, model: EmotionModel, tokenizer: Tokenizer, card: str
              ) -> dict[str, bytes]:
    tensors = {name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    if config.weights == 'float16':
        rounded = {name for name, p in model.named_parameters() if p.dim() > 1}
        tensors = {name: t.half() if name in rounded else t for name, t in tensors.items()}
    import safetensors.torch
    return {WEIGHTS: safetensors.torch.save(tensors), TOKENIZER: tokenizer.to_str().encode(),
            CARD: card.encode()}


def _read_config(folder: Path) -> tuple[BundleConfig, str]:
    """Return the settings of a bundle and the hash of their file."""
    _check_bytes(folder, CONFIG)
    raw = (folder / CONFIG).read_bytes()
    try:
        config = BundleConfig.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = '.'.join(map(str, first['loc'])) or 'the whole file'
        if not _is_of_a_bundle(raw):  # of another program: its keys are private
            raise BundleError(f'bundle {folder}: {CONFIG} is not valid at the whole file: it is '
                              'not that of a bundle; name the folder of one') from None
        raise BundleError(f'bundle {folder}: {CONFIG} is not valid at {where}: '
                          f'{first["msg"]}; write it again with this version') from error
    _check_config(folder, config)
    return config, _sha256(raw)


def _check_hash(name_or_path: str | Path, found: str, expected: str) -> None:
    if expected and found != expected:
        raise BundleError(f'bundle {name_or_path}: its hash is {found}, expected {expected}; '
                          'fetch the right one or correct the parameter')


def _is_of_a_bundle(raw: bytes) -> bool:
    try:
        settings = json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return isinstance(settings, dict) and OWN_KEYS <= settings.keys()


def _read(folder: Path, config: BundleConfig, content_hash: str, engine: str, device: str
          ) -> Bundle:
    for name, digest in config.files.items():
        _check_file(folder, name, digest)
    for name in (WEIGHTS, TOKENIZER):
        if name not in config.files:
            raise BundleError(f'bundle {folder}: {CONFIG} does not list {name}; it is incomplete')
    tokenizer = _read_tokenizer(folder, (folder / TOKENIZER).read_bytes())
    card = (folder / CARD).read_bytes() if CARD in config.files else b''
    bundle = Bundle(config, None, tokenizer, card.decode(errors='replace'), content_hash, folder)
    # What the engine needs is made now, so that a fault shows when the bundle is loaded.
    if choose_engine(engine, device, bundle.lacks_graphs) == ONNX:
        bundle.graphs  # noqa: B018
    else:
        bundle.__dict__['model'] = make_model(folder, config, tokenizer)
    return bundle


def _check_config(folder: Path, config: BundleConfig) -> None:
    if config.format_version != FORMAT_VERSION:
        raise BundleError(f'bundle {folder}: format {config.format_version}; this version reads '
                          f'format {FORMAT_VERSION}; write it again or update mmer_ros')
    if config.labels != EMOTIONS:
        raise BundleError(f'bundle {folder}: labels {", ".join(config.labels)}; expected '
                          f'{", ".join(EMOTIONS)} in this order; train it with these labels')
    if config.sample_rate != SAMPLE_RATE:
        raise BundleError(f'bundle {folder}: sample rate {config.sample_rate}; expected '
                          f'{SAMPLE_RATE} Hz')
    known = [subset.title for subset in SUBSETS]
    for kind, names in (('temperature', config.temperatures), ('prior', config.priors),
                        ('threshold', config.thresholds)):
        for name in sorted(names.keys() - known):
            raise BundleError(f'bundle {folder}: a {kind} for {name!r}; expected one of '
                              f'{", ".join(known)}; write it so')
    if config.calibrated and not config.trained:
        raise BundleError(f'bundle {folder}: calibrated but not trained; one of them is wrong')


def _check_file(folder: Path, name: str, digest: str) -> None:
    path = folder / name
    if not FILE_NAME.fullmatch(name) or not path.is_file():
        raise BundleError(f'bundle {folder}: the file {name} is missing; copy the whole folder')
    _check_bytes(folder, name)
    found = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(1 << 20):
            found.update(block)
    if found.hexdigest() != digest:
        raise changed(folder, name)


def _check_bytes(folder: Path, name: str) -> None:
    size, most = (folder / name).stat().st_size, MAX_BYTES.get(name)
    if name.endswith(GRAPH):
        most = MAX_GRAPH_BYTES
    if most is not None and size > most:
        raise BundleError(f'bundle {folder}: {name} has {size} bytes; expected at most {most}; '
                          'fetch the bundle again')


def _read_tokenizer(folder: Path, data: bytes) -> Tokenizer:
    try:
        return Tokenizer.from_str(data.decode())
    except Exception as error:  # tokenizers raises nothing narrower
        raise BundleError(f'bundle {folder}: {TOKENIZER} cannot be used: {error}') from error
