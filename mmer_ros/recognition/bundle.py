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

from dataclasses import dataclass
import hashlib
from importlib import resources
import json
import os
from pathlib import Path
import re
import shutil
import tempfile
from typing import Annotated, Any, Literal

from mmer_ros.networks.emotion_model import EmotionModel, ModelConfig
from mmer_ros.networks.text_encoder import byte_tokenizer
from mmer_ros.recognition.weights_file import (
    check_shapes,
    check_sizes,
    not_finite,
    read_shapes,
    Shapes,
)
from mmer_ros.sensing.face_detector import FaceConfig
from mmer_ros.text_repair import one_line
from mmer_ros.types import EMOTIONS, InvalidInput, MODALITIES, SAMPLE_RATE, SUBSETS
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    ValidationError,
)
import safetensors.torch
from tokenizers import Tokenizer
import torch
from torch import Tensor

FORMAT_VERSION = 1
CONFIG, WEIGHTS, TOKENIZER, CARD = (
    'config.json', 'model.safetensors', 'tokenizer.json', 'MODEL_CARD.md')
DEFAULT_BUNDLE = 'starter'
ENGLISH = ('en',)
SEARCH_PATH_VARIABLE = 'MMER_BUNDLE_PATH'

# Valence and arousal of each emotion in Russell's circumplex (1980), in label order.
CIRCUMPLEX = ((0.0, 0.0), (0.4, 0.8), (-0.6, 0.7), (-0.8, -0.4), (0.9, 0.5), (-0.7, 0.3),
              (-0.7, 0.8))


# Beyond these, float32 would overflow or a modality would not count at all.
Factor = Annotated[float, Field(ge=1e-6, le=1e6)]
Coordinate = Annotated[float, Field(ge=-1, le=1)]
MAX_NAME, MAX_NOTICE, MAX_LANGUAGES = 100, 2000, 200  # characters; codes
FILE_NAME = re.compile(r'[\w-][\w.-]{0,99}')
OWN_KEYS = {'name', 'model', 'files'}  # by which a bundle's settings are known
# Files that are larger are refused unread.
MAX_BYTES = {CONFIG: 4_000_000, TOKENIZER: 100_000_000, CARD: 4_000_000}


class BundleError(InvalidInput):
    """A bundle that cannot be used; the message says which, why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))  # it may quote what is in the files


class BundleConfig(BaseModel):
    """
    What config.json holds.

    :param labels: must be types.EMOTIONS, in that order.
    :param temperatures: divisors of the logits by available modalities, e.g. 'text+audio'.
    :param priors: by subset, the class shares under which it is calibrated, (7,).
    :param modality_weights: relative weights of MODALITIES in EmbraceNet; `trust` in files of
        format 1.
    :param circumplex: (valence, arousal) of each label, each in [-1, 1].
    :param notice: restrictions by its licences; logged once at load.
    :param languages: codes of the languages whose words it reads, e.g. 'en'; empty: any.
    :param weights: how matrices are stored; in memory they are float32.
    :param training: data, licence and metrics of the training, as the model card tells them.
    :param files: sha256 of every other file of the bundle.
    """

    model_config = ConfigDict(frozen=True, extra='forbid', populate_by_name=True,
                              allow_inf_nan=False)

    format_version: int = FORMAT_VERSION
    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    labels: tuple[str, ...] = EMOTIONS
    sample_rate: int = SAMPLE_RATE
    trained: bool = False
    calibrated: bool = False
    model: ModelConfig = ModelConfig()
    faces: FaceConfig = FaceConfig()
    temperatures: dict[str, Factor] = Field(default_factory=dict)
    priors: dict[str, Annotated[
        tuple[Factor, ...], Field(min_length=len(EMOTIONS), max_length=len(EMOTIONS))]
    ] = Field(default_factory=dict)
    modality_weights: tuple[Factor, ...] = Field(
        (1.0,) * len(MODALITIES), min_length=len(MODALITIES), max_length=len(MODALITIES),
        validation_alias=AliasChoices('modality_weights', 'trust'))
    circumplex: tuple[tuple[Coordinate, Coordinate], ...] = Field(
        CIRCUMPLEX, min_length=len(EMOTIONS), max_length=len(EMOTIONS))
    notice: str = Field('', max_length=MAX_NOTICE)
    languages: Annotated[tuple[Annotated[str, Field(max_length=20)], ...],
                         Field(max_length=MAX_LANGUAGES)] = ENGLISH
    weights: Literal['float32', 'float16'] = 'float32'
    training: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)

    @field_validator('name', 'notice', 'languages')
    @classmethod
    def _check_printable(cls, value: Any) -> Any:
        for text in [value] if isinstance(value, str) else value:
            if not text.isprintable():
                raise ValueError('control characters are not allowed')
        return value

    def to_json(self) -> bytes:
        """Return the file's content."""
        # The default is not written: bundles from before this setting keep their hash.
        unsaid = {'languages'} if self.languages == ENGLISH else None
        return self.model_dump_json(indent=2, exclude=unsaid).encode() + b'\n'


@dataclass(frozen=True)
class Bundle:
    """
    A model in memory with everything needed to run it.

    :param content_hash: sha256 of config.json, which itself names the hashes of all other files.
    """

    config: BundleConfig
    model: EmotionModel
    tokenizer: Tokenizer
    card: str
    content_hash: str

    @classmethod
    def create(cls, config: BundleConfig, model: EmotionModel, tokenizer: Tokenizer,
               card: str) -> Bundle:
        """
        Make a bundle of a model; its hashes are computed here.

        Weights that will be stored as float16 are rounded in the model at once, so that it gives
        the same results before and after it is saved.
        """
        if config.weights == 'float16':
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
        """
        text = _packaged('networks/architectures', f'{architecture}.json')
        if text is None:
            raise BundleError(f'architecture {architecture!r}: there is none of that name; '
                              f'there are {", ".join(architectures())}')
        config = BundleConfig.model_validate_json(text)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = EmotionModel(config.model).eval()
        card = (f'# {architecture} (untrained)\n\nRandom weights (seed {seed}). Its estimates '
                'mean nothing: it serves to try the system.\n')
        return cls.create(config, model, byte_tokenizer(), card)

    @classmethod
    def load(cls, name_or_path: str | Path, expected_hash: str = '') -> Bundle:
        """
        Load a bundle by path, or by name from the search path or the package.

        A name that is only that of an architecture gives an untrained bundle.

        :param expected_hash: if given, any other bundle is refused.
        :raises BundleError: if it is not there, incomplete, changed or of another label order.
        """
        folder = find_bundle(name_or_path)
        if folder is None:
            bundle = cls.untrained(str(name_or_path))
            _check_hash(name_or_path, bundle.content_hash, expected_hash)
            return bundle
        config, content_hash = _read_config(folder)
        _check_hash(name_or_path, content_hash, expected_hash)
        return _read(folder, config, content_hash)

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
        if folder.exists() and not (folder / CONFIG).is_file() and (
                not folder.is_dir() or any(folder.iterdir())):
            raise BundleError(f'{folder}: it is there and is no bundle; it is left as it is. '
                              'Give a new folder')
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f'.{folder.name}.'))
        old = partial.with_name(f'{partial.name}.old')
        try:
            for name, data in _contents(self.config, self.model, self.tokenizer,
                                        self.card).items():
                (partial / name).write_bytes(data)
            (partial / CONFIG).write_bytes(self.config.to_json())
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
    :raises BundleError: if it is elsewhere; what is there is not told.
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
        if not _is_of_a_bundle(raw):  # of another program: its keys are nobody's business
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


def _read(folder: Path, config: BundleConfig, content_hash: str) -> Bundle:
    for name, digest in config.files.items():
        _check_file(folder, name, digest)
    for name in (WEIGHTS, TOKENIZER):
        if name not in config.files:
            raise BundleError(f'bundle {folder}: {CONFIG} does not list {name}; it is incomplete')
    tokenizer = _read_tokenizer(folder, (folder / TOKENIZER).read_bytes())
    model = _read_model(folder, config)
    try:
        model.use_tokenizer(tokenizer)
    except ValueError as error:
        raise BundleError(f'bundle {folder}: {TOKENIZER} does not fit the network: {error}'
                          ) from error
    card = (folder / CARD).read_bytes() if CARD in config.files else b''
    return Bundle(config, model, tokenizer, card.decode(errors='replace'), content_hash)


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
    for name in [*config.temperatures, *config.priors]:
        if name not in known:
            kind = 'temperature' if name in config.temperatures else 'prior'
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
        raise BundleError(f'bundle {folder}: {name} was changed or damaged (its sha256 is not '
                          f'the one in {CONFIG}); fetch the bundle again')


def _check_bytes(folder: Path, name: str) -> None:
    size, most = (folder / name).stat().st_size, MAX_BYTES.get(name)
    if most is not None and size > most:
        raise BundleError(f'bundle {folder}: {name} has {size} bytes; expected at most {most}; '
                          'fetch the bundle again')


def _read_tokenizer(folder: Path, data: bytes) -> Tokenizer:
    try:
        return Tokenizer.from_str(data.decode())
    except Exception as error:  # tokenizers raises nothing narrower
        raise BundleError(f'bundle {folder}: {TOKENIZER} cannot be used: {error}') from error


def _read_model(folder: Path, config: BundleConfig) -> EmotionModel:
    """Return the model; what it asks for is compared with its weights before it is built."""
    try:
        check_sizes(config.model.model_dump())
        expected = _needed_shapes(config.model)
    except (RuntimeError, ValueError, OverflowError) as error:
        raise BundleError(f'bundle {folder}: no model can have the sizes in {CONFIG}: '
                          f'{" ".join(str(error).split())}; correct them') from error
    try:
        found = read_shapes(folder / WEIGHTS)
    except ValueError as error:
        raise BundleError(f'bundle {folder}: {WEIGHTS} is no safetensors file ({error}); '
                          'fetch the bundle again') from error
    try:
        if expected is not None:
            check_shapes({_current_name(name): shape for name, shape in found.items()}, expected)
    except ValueError as error:
        raise BundleError(f'bundle {folder}: the weights do not fit the sizes in {CONFIG}: '
                          f'{error}') from error
    model = EmotionModel(config.model).eval()
    _load_weights(folder, model, (folder / WEIGHTS).read_bytes())
    return model


def _needed_shapes(config: ModelConfig) -> Shapes | None:
    """
    Return the shapes of all weights of a model; no memory is taken for them.

    :return: None if an encoder of another package cannot be built without its values.
    """
    try:
        with torch.device('meta'):
            return {name: tuple(tensor.shape)
                    for name, tensor in EmotionModel(config).state_dict().items()}
    except (RuntimeError, TypeError) as error:
        if 'meta' in str(error):
            return None
        raise


def _load_weights(folder: Path, model: EmotionModel, data: bytes) -> None:
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load(data)
    except safetensors.SafetensorError as error:
        raise BundleError(f'bundle {folder}: {WEIGHTS} is no safetensors file ({error}); '
                          'fetch the bundle again') from error
    if name := not_finite(data):
        raise BundleError(f'bundle {folder}: the weights {name} hold values that are not '
                          'finite; train or fetch the bundle again')
    floats = {_current_name(name): t.float() if t.is_floating_point() else t
              for name, t in tensors.items()}
    try:
        model.load_state_dict(floats, strict=True)
    except RuntimeError as error:
        raise BundleError(f'bundle {folder}: the weights do not fit the sizes in {CONFIG}: '
                          f'{str(error).splitlines()[-1].strip()}') from error


def _current_name(name: str) -> str:
    """Return today's name of a tensor; bundles of format 1 may call late fusion own_answers."""
    return name.replace('fusion.own_answers.', 'fusion.late_fusion.', 1)
