# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Bundles: what is saved comes back to the bit, and whatever is wrong with one is said."""

from __future__ import annotations

from collections.abc import Callable
import hashlib
import json
from pathlib import Path
import re
import resource
from typing import Any

from mmer_ros.networks.emotion_model import EmotionModel, ModelConfig
from mmer_ros.networks.text_encoder import TextEncoderConfig
from mmer_ros.recognition.bundle import (
    architectures,
    Bundle,
    BundleError,
    CARD,
    check_place,
    CONFIG,
    MAX_BYTES,
    SEARCH_PATH_VARIABLE,
    TOKENIZER,
    WEIGHTS,
)
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import EMOTIONS, Modality
import numpy as np
import pytest
import safetensors.torch
from tokenizers import Tokenizer
import torch

from ..fixtures.model import TEMPERATURES, TINY, tiny_bundle, TRUST, utterance

ALL = Modality.TEXT | Modality.AUDIO | Modality.FACE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a saved bundle."""
    tiny_bundle().save(tmp_path / 'tiny')
    return tmp_path / 'tiny'


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change config.json."""
    config = json.loads((folder / CONFIG).read_text())
    change(config)
    (folder / CONFIG).write_text(json.dumps(config))


def replace_file(folder: Path, name: str, data: bytes) -> None:
    """Replace a file and let config.json name its hash, as somebody would who made it by hand."""
    (folder / name).write_bytes(data)
    edit(folder, lambda c: c['files'].update({name: digest(folder / name)}))


def refusal(name_or_path: str | Path, expected_hash: str = '') -> str:
    """Return why a bundle is refused; the message names it in one line."""
    with pytest.raises(BundleError) as error:
        Bundle.load(name_or_path, expected_hash)
    message = str(error.value)
    assert str(name_or_path) in message
    assert '\n' not in message
    return message


# ---------------------------------------------------------------- what comes back


def test_round_trip_gives_the_same_hash_settings_and_logits(folder: Path) -> None:
    made, loaded = tiny_bundle(), Bundle.load(folder)
    assert loaded.content_hash == made.content_hash
    assert loaded.config == made.config
    assert loaded.config.temperatures == TEMPERATURES and loaded.config.modality_weights == TRUST
    assert loaded.card == made.card
    assert loaded.tokenizer.to_str() == made.tokenizer.to_str()
    before = Recognizer(made).recognize(utterance(ALL))
    after = Recognizer.load(folder, expected_hash=made.content_hash).recognize(utterance(ALL))
    np.testing.assert_array_equal(after.logits, before.logits)
    np.testing.assert_array_equal(after.probabilities, before.probabilities)
    assert after.bundle_hash == made.content_hash


def test_saving_what_was_loaded_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    """Using a bundle changes nothing in it."""
    recognizer = Recognizer.load(folder)
    recognizer.recognize(utterance(ALL))
    recognizer.bundle.save(tmp_path / 'again')
    assert {f.name: digest(f) for f in folder.iterdir()} == {
        f.name: digest(f) for f in (tmp_path / 'again').iterdir()}


def test_hash_is_of_the_config_and_that_names_all_other_files(folder: Path) -> None:
    config = json.loads((folder / CONFIG).read_text())
    assert Bundle.load(folder).content_hash == digest(folder / CONFIG)
    others = {f.name: digest(f) for f in folder.iterdir() if f.name != CONFIG}
    assert config['files'] == others
    assert set(others) == {WEIGHTS, TOKENIZER, CARD}


def test_nothing_in_a_bundle_is_a_pickle(folder: Path) -> None:
    """All but the weights are text; these are a JSON header and numbers, of known length."""
    for file in folder.iterdir():
        data = file.read_bytes()
        if file.name != WEIGHTS:
            assert '\0' not in data.decode()
            continue
        size = int.from_bytes(data[:8], 'little')
        header = json.loads(data[8:8 + size])
        header.pop('__metadata__', None)
        assert max(t['data_offsets'][1] for t in header.values()) == len(data) - 8 - size


def test_weights_in_half_precision_are_read_as_float32(folder: Path) -> None:
    weights = safetensors.torch.load((folder / WEIGHTS).read_bytes())
    half = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    replace_file(folder, WEIGHTS, safetensors.torch.save(half))
    loaded = Bundle.load(folder).model.state_dict()
    assert all(v.dtype != torch.float16 for v in loaded.values())
    name = 'fusion.classifier.weight'
    torch.testing.assert_close(loaded[name], weights[name], atol=1e-3, rtol=1e-3)


def test_other_folder_files_do_not_matter(folder: Path) -> None:
    (folder / 'notes.txt').write_text('mine')
    assert Bundle.load(folder).content_hash == tiny_bundle().content_hash


# ---------------------------------------------------------------- names and seeds


def test_seeds_reproduce_and_differ() -> None:
    first, same, other = (Bundle.untrained('compact', seed) for seed in (0, 0, 1))
    assert first.content_hash == same.content_hash != other.content_hash
    weights, again = first.model.state_dict(), same.model.state_dict()
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    one, two = (bundle.model.fusion.classifier.weight for bundle in (first, other))
    assert not torch.equal(one, two)


def test_seeding_leaves_the_callers_random_numbers_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    tiny_bundle()
    Bundle.untrained('compact', 5)
    assert torch.equal(torch.rand(1), expected)


def test_architectures_are_the_papers_and_a_compact_one() -> None:
    assert architectures() == ['compact', 'paper']


def test_name_of_an_architecture_gives_an_untrained_bundle() -> None:
    loaded = Bundle.load('compact')
    assert (loaded.config.name, loaded.config.trained, loaded.config.calibrated) == (
        'compact', False, False)
    assert 'Random weights' in loaded.card
    assert loaded.content_hash == Bundle.untrained('compact').content_hash


def test_paper_architecture_can_be_built() -> None:
    model = EmotionModel(ModelConfig(text=TextEncoderConfig(vocab_size=261)))
    assert (model.text.width, model.audio.width, model.face.width) == (768, 512, 256)
    assert model.fusion.classifier.weight.shape == (7, 256)


def test_search_path_finds_bundles_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch
                                           ) -> None:
    monkeypatch.setenv(SEARCH_PATH_VARIABLE, f'/nowhere:{folder.parent}')
    assert Bundle.load('tiny').content_hash == tiny_bundle().content_hash


def test_bundle_on_the_search_path_goes_before_an_architecture(
        folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.rename(folder.parent / 'compact')
    monkeypatch.setenv(SEARCH_PATH_VARIABLE, str(folder.parent))
    assert Bundle.load('compact').config.name == 'tiny'


def test_relative_path_is_of_the_working_directory(folder: Path, monkeypatch: pytest.MonkeyPatch
                                                   ) -> None:
    monkeypatch.chdir(folder.parent)
    assert Bundle.load('tiny').config.name == 'tiny'
    monkeypatch.chdir(folder)
    assert Bundle.load('.').config.name == 'tiny'


# ---------------------------------------------------------------- refusals


def test_unknown_name_is_refused_with_what_there_is() -> None:
    message = refusal('no_such_bundle')
    assert CONFIG in message and SEARCH_PATH_VARIABLE in message
    assert 'compact, paper' in message


@pytest.mark.parametrize('name', ['x' * 100_000, 'no\0name', '\x1b[31m' * 9999, '\ud800'])
def test_names_that_no_file_can_have_are_refused(name: str) -> None:
    with pytest.raises(BundleError) as error:
        Bundle.load(name)
    assert str(error.value).isprintable() and len(str(error.value)) < 1000


def test_unknown_architecture_is_refused_with_what_there_is() -> None:
    with pytest.raises(BundleError, match="'huge'.*compact, paper"):
        Bundle.untrained('huge')


def test_folder_or_file_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    assert CONFIG in refusal(tmp_path)
    (tmp_path / 'model.pt').write_bytes(b'PK')
    assert CONFIG in refusal(tmp_path / 'model.pt')
    assert CONFIG in refusal(tmp_path / 'not there')


def test_other_hash_than_expected_is_refused(folder: Path) -> None:
    message = refusal(folder, 'ab' * 32)
    assert 'ab' * 32 in message and Bundle.load(folder).content_hash in message
    assert 'fetch the right one' in message
    refusal('compact', 'ab' * 32)


@pytest.mark.parametrize('name', [WEIGHTS, TOKENIZER, CARD])
@pytest.mark.parametrize('where', [8, -1])
def test_changed_byte_is_noticed(folder: Path, name: str, where: int) -> None:
    data = bytearray((folder / name).read_bytes())
    data[where if where < len(data) else 0] ^= 1
    (folder / name).write_bytes(data)
    assert re.search(f'{name} was changed or damaged.*fetch the bundle again', refusal(folder))


def test_truncated_weights_are_noticed(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-100])
    assert f'{WEIGHTS} was changed or damaged' in refusal(folder)


@pytest.mark.parametrize('name', [WEIGHTS, TOKENIZER, CARD])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert f'the file {name} is missing; copy the whole folder' in refusal(folder)


@pytest.mark.parametrize('name', [WEIGHTS, TOKENIZER])
def test_file_that_the_config_does_not_list_is_named(folder: Path, name: str) -> None:
    edit(folder, lambda c: c['files'].pop(name))
    assert f'does not list {name}' in refusal(folder)


def test_files_outside_the_folder_are_not_read(folder: Path) -> None:
    outside = folder.parent / 'outside'
    outside.write_text('secret')
    edit(folder, lambda c: c['files'].update({'../outside': digest(outside)}))
    assert '../outside is missing' in refusal(folder)


def test_wrong_label_order_is_refused(folder: Path) -> None:
    wrong = [*EMOTIONS[1:], EMOTIONS[0]]
    edit(folder, lambda c: c.update(labels=wrong))
    message = refusal(folder)
    assert ', '.join(wrong) in message and ', '.join(EMOTIONS) in message


@pytest.mark.parametrize(('change', 'where', 'remedy'), [
    ({'banana': 1}, 'banana', 'write it again'),
    ({'model': {'banana': {}}}, 'model.banana', 'write it again'),
    ({'model': {'audio': 0}}, 'model.audio', 'write it again'),
    ({'model': {'fusion': [1]}}, 'model.fusion', 'write it again'),
    ({'model': {'audio': {'upsample_scales': [5, 5, 11]}}}, 'hop_length', 'write it again'),
    ({'model': {'fusion': {'heads': 3}}}, 'heads 3', 'write it again'),
    ({'model': {'text': {'n_embd': 30, 'n_head': 4}}}, 'sizes', 'correct'),
    ({'model': {'text': {'n_head': 0}}}, 'n_head', 'write it again'),
    ({'model': {'fusion': {'heads': 0}}}, 'heads', 'write it again'),
    ({'temperatures': {'text': 0.0}}, 'temperatures.text', 'write it again'),
    ({'modality_weights': [1.0, 0.0, 1.0]}, 'modality_weights.1', 'write it again'),
    ({'circumplex': [[0.0, 0.0]]}, 'circumplex', 'write it again'),
    ({'name': None}, 'name', 'write it again'),
    ({'format_version': 99}, 'format 99', 'update mmer_ros'),
    ({'sample_rate': 22_050}, '22050', '16000 Hz'),
    ({'trained': False, 'calibrated': True}, 'calibrated but not trained', 'is wrong'),
])
def test_wrong_setting_is_named(folder: Path, change: dict[str, Any], where: str, remedy: str
                                ) -> None:
    edit(folder, lambda c: c.update(change))
    message = refusal(folder)
    assert where in message and remedy in message


@pytest.mark.parametrize('content', [b'', b'{', b'[]', b'\xff\xfe', b'null'])
def test_config_that_is_no_json_object_is_refused(folder: Path, content: bytes) -> None:
    (folder / CONFIG).write_bytes(content)
    assert f'{CONFIG} is not valid at the whole file' in refusal(folder)


@pytest.mark.parametrize('change', [
    lambda c: c['model']['face'].update(hidden=17),     # other shapes
    lambda c: c['model']['text'].update(n_layer=3),     # weights that are not there
    lambda c: c['model']['text'].update(n_layer=1),     # weights that nobody wants
])
def test_weights_of_other_sizes_are_refused(folder: Path, change: Callable[[Any], Any]) -> None:
    edit(folder, change)
    assert f'do not fit the sizes in {CONFIG}' in refusal(folder)


def test_tokenizer_larger_than_the_network_is_refused(folder: Path) -> None:
    tokenizer = Tokenizer.from_str((folder / TOKENIZER).read_text())
    tokenizer.add_tokens(['one more'])
    replace_file(folder, TOKENIZER, tokenizer.to_str().encode())
    assert 'has 262 tokens' in refusal(folder) and '261' in refusal(folder)


@pytest.mark.parametrize('content', [b'{}', b'\xff', b'{"model": 3}'])
def test_tokenizer_that_is_none_is_refused(folder: Path, content: bytes) -> None:
    replace_file(folder, TOKENIZER, content)
    assert f'{TOKENIZER} cannot be used' in refusal(folder)


def test_tokenizer_without_the_dialogues_tokens_is_refused(folder: Path) -> None:
    text = (folder / TOKENIZER).read_text().replace('<cls>', '<end>')
    replace_file(folder, TOKENIZER, text.encode())
    assert '<cls>' in refusal(folder)


def test_pickle_in_place_of_the_weights_is_refused_and_not_read(folder: Path, tmp_path: Path
                                                                ) -> None:
    torch.save(tiny_bundle().model.state_dict(), tmp_path / 'weights.pt')
    replace_file(folder, WEIGHTS, (tmp_path / 'weights.pt').read_bytes())
    assert f'{WEIGHTS} is no safetensors file' in refusal(folder)


# ---------------------------------------------------------------- saving


class Interrupted(Exception):
    """Stands for a full disk or a lost power supply."""


def test_save_replaces_an_older_bundle(folder: Path) -> None:
    tiny_bundle(seed=1, name='newer').save(folder)
    assert Bundle.load(folder).config.name == 'newer'
    assert [f.name for f in folder.parent.iterdir()] == ['tiny']


@pytest.mark.parametrize('at', [WEIGHTS, TOKENIZER, CONFIG])
@pytest.mark.parametrize('exists', [True, False])
def test_interrupted_save_leaves_what_was_there(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str, exists: bool) -> None:
    folder = tmp_path / 'tiny'
    if exists:
        tiny_bundle().save(folder)
    newer = tiny_bundle(seed=1)
    write = Path.write_bytes

    def failing(path: Path, data: bytes) -> int:
        if path.name == at:
            write(path, data[:10])
            raise Interrupted
        return write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, 'write_bytes', failing)
        with pytest.raises(Interrupted):
            newer.save(folder)
    assert [f.name for f in tmp_path.iterdir()] == (['tiny'] if exists else [])
    if exists:
        assert Bundle.load(folder).content_hash == tiny_bundle().content_hash


def test_save_that_cannot_put_the_new_folder_in_place_keeps_the_old_one(
        folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename, newer = Path.rename, tiny_bundle(seed=1)

    def failing(path: Path, target: Path) -> Path:
        if target == folder and (path / CONFIG).read_bytes() == newer.config.to_json():
            raise Interrupted
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, 'rename', failing)
        with pytest.raises(Interrupted):
            newer.save(folder)
    assert [f.name for f in folder.parent.iterdir()] == ['tiny']
    assert Bundle.load(folder).content_hash == tiny_bundle().content_hash


def test_save_does_not_delete_what_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / 'thesis').mkdir()
    (tmp_path / 'thesis' / 'chapter1.tex').write_text('years of work')
    (tmp_path / 'file').write_text('mine')
    for name in ('thesis', 'file'):
        with pytest.raises(BundleError, match=f'{name}.*no bundle.*new folder'):
            tiny_bundle().save(tmp_path / name)
    assert (tmp_path / 'thesis' / 'chapter1.tex').read_text() == 'years of work'
    assert (tmp_path / 'file').read_text() == 'mine'


def test_save_into_an_empty_or_new_folder(tmp_path: Path) -> None:
    (tmp_path / 'empty').mkdir()
    for folder in (tmp_path / 'empty', tmp_path / 'new' / 'deep'):
        tiny_bundle().save(folder)
        assert Bundle.load(folder).content_hash == tiny_bundle().content_hash


def test_bundles_of_format_1_are_read_by_their_old_names(tmp_path: Path) -> None:
    """`trust` and `own_answers` were the names of modality weights and late fusion."""
    model = TINY.model_copy(update={'fusion': TINY.fusion.model_copy(
        update={'late_fusion': True})})
    made = tiny_bundle(model=model)
    made.save(tmp_path / 'old')
    weights = safetensors.torch.load_file(tmp_path / 'old' / 'model.safetensors')
    safetensors.torch.save_file(
        {k.replace('.late_fusion.', '.own_answers.'): v for k, v in weights.items()},
        tmp_path / 'old' / 'model.safetensors')
    config = tmp_path / 'old' / 'config.json'
    settings = json.loads(config.read_text())
    settings['trust'] = settings.pop('modality_weights')
    settings['model']['fusion']['own_answers'] = settings['model']['fusion'].pop('late_fusion')
    settings['files']['model.safetensors'] = hashlib.sha256(
        (tmp_path / 'old' / 'model.safetensors').read_bytes()).hexdigest()
    config.write_text(json.dumps(settings))
    old = Recognizer(Bundle.load(tmp_path / 'old'))
    new = Recognizer(made)
    assert old.config.modality_weights == TRUST and old.model.config.fusion.late_fusion
    whole = utterance(Modality(7))
    np.testing.assert_array_equal(old.recognize(whole).logits, new.recognize(whole).logits)


# ---------------------------------------------------------------- absurd sizes and values


INFINITE, NONE = float('inf'), float('nan')


@pytest.mark.parametrize(('change', 'where'), [
    ({'modality_weights': [INFINITE, 1.0, 1.0]}, 'modality_weights.0'),
    ({'modality_weights': [1e300, 1.0, 1.0]}, 'modality_weights.0'),
    ({'temperatures': {'text': NONE}}, 'temperatures.text'),
    ({'temperatures': {'text': 1e-300}}, 'temperatures.text'),
    ({'priors': {'text': [INFINITE, 1, 1, 1, 1, 1, 1]}}, 'priors.text.0'),
    ({'circumplex': [[1e300, 0.0]] * 7}, 'circumplex.0.0'),
    ({'circumplex': [[0.0, -INFINITE]] * 7}, 'circumplex.0.1'),
])
def test_values_that_would_not_give_numbers_are_refused(
        folder: Path, change: dict[str, Any], where: str) -> None:
    edit(folder, lambda c: c.update(change))
    assert f'{CONFIG} is not valid at {where}' in refusal(folder)


@pytest.mark.parametrize('kind', [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize('value', [INFINITE, -INFINITE, NONE])
def test_weights_that_are_not_finite_are_refused_by_name(
        folder: Path, kind: torch.dtype, value: float) -> None:
    weights = safetensors.torch.load((folder / WEIGHTS).read_bytes())
    name = 'fusion.classifier.weight'
    weights[name] = weights[name].to(kind)
    replace_file(folder, WEIGHTS, safetensors.torch.save(weights))
    Bundle.load(folder)
    weights[name][3, 5] = value
    replace_file(folder, WEIGHTS, safetensors.torch.save(weights))
    assert f'{name} hold values that are not finite' in refusal(folder)


def test_weights_beyond_single_precision_are_refused(folder: Path) -> None:
    weights = safetensors.torch.load((folder / WEIGHTS).read_bytes())
    weights['fusion.classifier.bias'] = torch.full((7,), 1e300, dtype=torch.float64)
    replace_file(folder, WEIGHTS, safetensors.torch.save(weights))
    assert 'fusion.classifier.bias' in refusal(folder)


@pytest.mark.parametrize('change', [
    lambda c: c['model']['text'].update(vocab_size=10_000_000),
    lambda c: c['model']['text'].update(n_positions=10_000_000),
    lambda c: c['model']['text'].update(n_layer=100_000_000),
    lambda c: c['model']['audio'].update(n_rnn=90_000_000),
    lambda c: c['model']['audio'].update(n_fft=2_000_000_000),
    lambda c: c['model']['audio'].update(n_freq=1_000_000_000),
    lambda c: c['model']['audio'].update(n_res_block=100_000_000),
    lambda c: c['model']['audio'].update(upsample_scales=[1] * 1_000_000 + [5, 2]),
    lambda c: c['model']['face'].update(hidden=10 ** 30),
    lambda c: c['model']['face'].update(width=-(10 ** 9)),
    lambda c: c['model']['fusion'].update(embracement_size=99_999_999),
])
def test_absurd_sizes_are_refused_before_memory_is_taken(
        folder: Path, change: Callable[[Any], Any]) -> None:
    edit(folder, change)
    limit = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 1_000_000_000, limit[1]))
    try:
        assert CONFIG in refusal(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limit)


@pytest.mark.parametrize('name', [CONFIG, TOKENIZER, CARD])
def test_files_of_absurd_size_are_refused_unread(folder: Path, name: str) -> None:
    with (folder / name).open('r+b') as file:
        file.truncate(MAX_BYTES[name] + 1)  # sparse: takes no room on the disk
    assert f'{name} has {MAX_BYTES[name] + 1} bytes' in refusal(folder)


@pytest.mark.parametrize('data', [
    b'', b'\0' * 7, b'\0' * 8, b'\xff' * 8, b'\x02' + b'\0' * 7 + b'{}',
    b'\x02' + b'\0' * 7 + b'[]',
    b'\x09' + b'\0' * 7 + b'{"a": {}}', (10 ** 5).to_bytes(8, 'little') + b'[' * 10 ** 5])
def test_weights_with_a_broken_header_are_refused(folder: Path, data: bytes) -> None:
    replace_file(folder, WEIGHTS, data)
    assert WEIGHTS in refusal(folder) or 'do not fit' in refusal(folder)


@pytest.mark.parametrize('change', [
    lambda t: t.update(data_offsets=[0, t['data_offsets'][1] - 1]),
    lambda t: t.update(data_offsets=[0, 10 ** 30]), lambda t: t.update(data_offsets=[-8, 3]),
    lambda t: t.update(data_offsets='all'), lambda t: t.pop('data_offsets'),
    lambda t: t.update(dtype='F4'), lambda t: t.update(dtype=None)])
def test_weights_whose_header_does_not_describe_them_are_refused(
        folder: Path, change: Callable[[Any], Any]) -> None:
    data = (folder / WEIGHTS).read_bytes()
    size = int.from_bytes(data[:8], 'little')
    header = json.loads(data[8:8 + size])
    change(header['fusion.classifier.weight'])
    text = json.dumps(header).encode()
    replace_file(folder, WEIGHTS, len(text).to_bytes(8, 'little') + text + data[8 + size:])
    assert f'{WEIGHTS} is no safetensors file' in refusal(folder)


# ---------------------------------------------------------------- what a bundle may say, and where


@pytest.mark.parametrize('change', [
    {'name': 'x' * 5_000_000}, {'name': 'red \x1b[31m'}, {'name': ''}, {'name': 'two\nlines'},
    {'notice': 'x' * 3000}, {'notice': '\x07'}, {'languages': ['\x1b[2J']},
    {'languages': ['en'] * 1000}, {'labels': ['\x1b[31m' * 9999]},
    {'temperatures': {'\x1b[31m' * 9999: 1.0}}, {'\x1b[31m' * 9999: 1},
    {'files': {'\x1b[31m' * 9999: ''}}, {'model': {'text': {'backbone': '\x1b[31m' * 9999}}}])
def test_no_bundle_can_steer_a_terminal_or_fill_a_log(folder: Path, change: dict[str, Any]
                                                      ) -> None:
    edit(folder, lambda c: c.update(change))
    message = refusal(folder)
    assert message.isprintable() and len(message) < 1000


@pytest.mark.parametrize('content', [
    {'api_key': 'swordfish'}, {'name': 'app', 'password_swordfish': 1}, ['swordfish'],
    {'model': {'swordfish': 1}}])
def test_the_settings_of_other_programs_are_not_quoted(folder: Path, content: Any) -> None:
    (folder / CONFIG).write_text(json.dumps(content))
    message = refusal(folder)
    assert 'not that of a bundle' in message and 'swordfish' not in message


def test_bundles_are_loaded_only_from_the_folders_that_are_allowed(
        folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed, other = tmp_path / 'allowed', tmp_path / 'other'
    allowed.mkdir()
    other.mkdir()
    for place in ('', f'{folder.parent}', f'{other}:{folder}'):
        check_place(folder, place)
    check_place('starter', str(allowed))
    check_place('compact', str(allowed))
    monkeypatch.chdir(folder)
    (allowed / 'link').symlink_to(folder)
    refused = set()
    for name in (folder, '.', allowed / 'link', allowed / '..' / 'tiny', tmp_path / 'nothing',
                 '/etc', 'no\0name', 'x' * 100_000):
        with pytest.raises(BundleError) as error:
            check_place(name, str(allowed))
        refused.add(str(error.value).partition(': ')[2])
    assert len([text for text in refused if text.startswith('there is none')]) == 1
    monkeypatch.setenv(SEARCH_PATH_VARIABLE, str(folder.parent))
    check_place('tiny', str(allowed))
