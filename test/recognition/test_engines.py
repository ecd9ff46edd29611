# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The engines: ONNX Runtime and torch agree, and each answers alike however speech was cut."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
import subprocess
import sys
from typing import Any

from mmer_ros import onnx_graphs
from mmer_ros.networks.backbones import DialogueContext
from mmer_ros.networks.configs import FaceEncoderConfig, ModelConfig
from mmer_ros.networks.fusion import FusionConfig
from mmer_ros.recognition.bundle import Bundle, BundleError, find_bundle
from mmer_ros.recognition.bundle_export import export_bundle
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recognition.streaming_encoders import Increment
from mmer_ros.types import InvalidInput, Modality, SUBSETS, Turn, Utterance
import numpy as np
import onnx
import pytest

from ..fixtures.model import (
    random_audio,
    random_faces,
    TINY,
    TINY_AUDIO,
    tiny_bundle,
    utterance,
)
from ..fixtures.stream import ROOT

AGREE = 1e-4  # of a logit


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small bundle with graphs; tests must not change it."""
    path = tmp_path_factory.mktemp('bundle') / 'tiny'
    tiny_bundle().save(path)
    export_bundle(path)
    return path


@pytest.fixture(scope='module')
def engines(folder: Path) -> tuple[Recognizer, Recognizer]:
    return Recognizer.load(folder, engine='torch'), Recognizer.load(folder, engine='onnx')


def changed(folder: Path, tmp_path: Path, **files: bytes | None) -> Path:
    """Return a copy of a bundle in which graphs are replaced or left out, with right hashes."""
    bundle = Bundle.load(folder)
    contents = bundle.read_files()
    config = json.loads(contents['config.json'])
    for name, data in files.items():
        contents.pop(f'{name}.onnx')
        config['files'].pop(f'{name}.onnx')
        if data is not None:
            contents[f'{name}.onnx'] = data
            config['files'][f'{name}.onnx'] = hashlib.sha256(data).hexdigest()
    copy = tmp_path / 'changed'
    copy.mkdir()
    for name, data in contents.items():
        (copy / name).write_bytes(data)
    (copy / 'config.json').write_text(json.dumps(config))
    return copy


def most_apart(one: Recognizer, other: Recognizer, utterances: list[Utterance]) -> float:
    """Return the largest difference of a logit."""
    return max(float(np.abs(a.logits - b.logits).max()) for a, b in
               zip(one.recognize_batch(utterances), other.recognize_batch(utterances)))


@pytest.mark.parametrize('subset', SUBSETS, ids=lambda subset: subset.title)
def test_the_engines_agree_on_every_subset(
        engines: tuple[Recognizer, Recognizer], subset: Modality) -> None:
    for seed in range(3):
        given = utterance(subset, seed, samples=700 + 500 * seed, faces=1 + 4 * seed,
                          text='no ' * (seed + 1))
        assert most_apart(*engines, [given]) < AGREE


def test_the_engines_agree_on_batches_of_different_subsets_and_lengths(
        engines: tuple[Recognizer, Recognizer]) -> None:
    batch = [utterance(subset, seed, samples=300 + 400 * seed, faces=1 + seed,
                       text='what a day ' * (1 + seed), speaker='ann',
                       history=(Turn('bob', 'hello'), Turn('ann', 'good morning'))[:seed % 3])
             for seed, subset in enumerate(SUBSETS)]
    assert most_apart(*engines, batch) < AGREE
    torch_one, onnx_one = (engine.recognize_batch(batch) for engine in engines)
    for found in (torch_one, onnx_one):
        assert [e.modalities for e in found] == list(SUBSETS)
    for a, b in zip(torch_one, onnx_one):
        np.testing.assert_allclose(a.modality_weights, b.modality_weights, atol=1e-6)


@pytest.mark.parametrize('family', ['concatenation', 'averaging', 'crossmodal_only',
                                    'embracenet_only', 'late'])
def test_every_fusion_is_exported(family: str, tmp_path: Path) -> None:
    fusion = FusionConfig(width=16, heads=2, embracement_size=12, pooling='summary',
                          late_fusion=True) if family == 'late' else FusionConfig(
        family=family, width=16, heads=2, embracement_size=12)
    tiny_bundle(model=TINY.model_copy(update={'fusion': fusion}), weights='float16'
                ).save(tmp_path / 'b')
    export_bundle(tmp_path / 'b')
    both = [Recognizer.load(tmp_path / 'b', engine=engine) for engine in ('torch', 'onnx')]
    assert most_apart(*both, [utterance(subset) for subset in SUBSETS]) < AGREE


@pytest.mark.slow
def test_the_papers_networks_are_exported(tmp_path: Path) -> None:
    """Their structure; the WaveRNN narrow, since one of width 512 takes seconds in torch."""
    model = ModelConfig(
        text=TINY.text, face=FaceEncoderConfig(hidden=16), fusion=TINY.fusion,
        audio=TINY_AUDIO.model_copy(update={'hop_length': 200, 'samples_per_step': 1,
                                            'upsample_scales': (5, 5, 8)}))
    tiny_bundle(model=model).save(tmp_path / 'b')
    export_bundle(tmp_path / 'b')
    both = [Recognizer.load(tmp_path / 'b', engine=engine) for engine in ('torch', 'onnx')]
    assert most_apart(*both, [utterance(subset) for subset in SUBSETS]) < AGREE


@pytest.mark.parametrize('cuts', [(1_000,), (0, 1, 37, 200, 999), (40, 80, 120, 500),
                                  tuple(range(0, 1_000, 13))])
def test_streamed_speech_gives_the_same_as_the_whole_to_the_bit_in_onnx(
        engines: tuple[Recognizer, Recognizer], cuts: tuple[int, ...]) -> None:
    audio, faces = random_audio(1_234), random_faces(5)
    context = DialogueContext()
    for recognizer in engines:
        whole = recognizer.recognize(Utterance(text='so it is', audio=audio, faces=faces))
        states = recognizer.encoders.start()
        edges = [0, *cuts, len(audio)]
        for i, (begin, end) in enumerate(zip(edges, edges[1:])):
            recognizer.encoders.stream([Increment(states, {
                Modality.TEXT: 'so it is' if i == 0 else '',
                Modality.AUDIO: audio[begin:end],
                Modality.FACE: faces[i:i + 1] if i < len(edges) - 2 else faces[i:]})])
            recognizer.finish([states], [context])  # changes nothing
        streamed = recognizer.finish([states], [context])[0]
        # Shapes are those of the cuts in torch, and always the same in the graphs.
        np.testing.assert_allclose(streamed.logits, whole.logits, rtol=0,
                                   atol=1e-6 if recognizer.engine == 'torch' else 0)


def test_the_engine_is_onnx_where_the_bundle_has_graphs(folder: Path, tmp_path: Path) -> None:
    assert Recognizer.load(folder).engine == 'onnx'
    assert Recognizer.load().engine == 'onnx'  # the bundle that ships
    assert Recognizer(tiny_bundle()).engine == 'torch'
    assert Recognizer(Bundle.load(folder)).engine == 'onnx'  # loaded for torch, has graphs
    saved = tmp_path / 'copy'
    Bundle.load(folder, engine='onnx').save(saved)
    assert Recognizer.load(saved).bundle.content_hash == Bundle.load(folder).content_hash


def test_torch_modules_are_not_given_out_by_another_engine(
        engines: tuple[Recognizer, Recognizer]) -> None:
    assert engines[0].model is engines[0].bundle.model
    with pytest.raises(InvalidInput, match='engine is onnx'):
        engines[1].model  # noqa: B018


@pytest.mark.parametrize(('engine', 'device', 'missing', 'text'), [
    ('tpu', 'cpu', '', "engine 'tpu': expected one of auto, onnx, torch"),
    ('onnx', 'cuda', '', 'runs on CPUs only'),
    ('onnx', 'cpu', 'onnxruntime', 'onnxruntime is not installed'),
    ('torch', 'cpu', 'torch', 'torch is not installed; install it'),
])
def test_an_engine_that_cannot_run_is_one_sentence(
        folder: Path, engine: str, device: str, missing: str, text: str,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_graphs, 'is_installed', lambda name: name != missing)
    with pytest.raises(InvalidInput, match=text):
        Bundle.load(folder, engine=engine, device=device)


def test_auto_falls_back_to_torch_and_says_what_is_missing_without(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_bundle().save(tmp_path / 'old')
    assert Recognizer.load(tmp_path / 'old').engine == 'torch'
    with pytest.raises(InvalidInput, match='it has no graphs; write them with `mmer export`'):
        Recognizer.load(tmp_path / 'old', engine='onnx')
    monkeypatch.setattr(onnx_graphs, 'is_installed', lambda name: name != 'torch')
    with pytest.raises(InvalidInput, match='no graphs.*torch is not installed'):
        Recognizer.load(tmp_path / 'old')


def test_a_graph_that_was_changed_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = changed(folder, tmp_path)
    data = bytearray((copy / 'fusion.onnx').read_bytes())
    data[len(data) // 2] ^= 1
    (copy / 'fusion.onnx').write_bytes(data)
    for engine in ('onnx', 'torch'):
        with pytest.raises(BundleError, match='fusion.onnx was changed or damaged'):
            Bundle.load(copy, engine=engine)


def test_a_graph_that_is_missing_or_no_graph_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match='lacks the graph audio_hop.onnx; write the graphs'):
        Bundle.load(changed(folder, tmp_path, audio_hop=None), engine='onnx')
    (tmp_path / 'b').mkdir()
    with pytest.raises(BundleError, match='text.onnx cannot be used'):
        Bundle.load(changed(folder, tmp_path / 'b', text=b'not a graph'), engine='onnx')


def test_a_graph_that_reaches_beyond_the_weights_is_refused(
        folder: Path, tmp_path: Path) -> None:
    graph = onnx.load(folder / 'face_sequence.onnx', load_external_data=False)
    for tensor in graph.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == 'offset':
                entry.value = str(10 ** 9)
    with pytest.raises(BundleError, match='face_sequence.onnx cannot be used with its model.saf'):
        Bundle.load(changed(folder, tmp_path, face_sequence=graph.SerializeToString()),
                    engine='onnx')


def test_the_graphs_hold_no_second_copy_of_the_weights_and_no_paths(folder: Path) -> None:
    weights = len((folder / 'model.safetensors').read_bytes())
    shipped = [found for name in ('starter', 'plus') if (found := find_bundle(name))]
    assert len(shipped) == 2
    for path in (path for each in (folder, *shipped) for path in each.glob('*.onnx')):
        graph = onnx.load(path, load_external_data=False)
        inside = sum(len(t.raw_data) for t in graph.graph.initializer
                     if t.data_location != onnx.TensorProto.EXTERNAL)
        assert inside < 1_000, path
        assert str(ROOT).encode() not in path.read_bytes()
    assert weights


def test_export_leaves_networks_and_weights_as_they_are(folder: Path, tmp_path: Path) -> None:
    before = tiny_bundle()
    after = Bundle.load(folder)
    assert before.config.model_dump(exclude={'files'}) == after.config.model_dump(
        exclude={'files'})
    for name, digest in before.config.files.items():
        assert after.config.files[name] == digest
    assert after.content_hash != before.content_hash  # it covers the graphs
    again = export_bundle(folder, tmp_path / 'again')
    assert again.content_hash == after.content_hash


@pytest.mark.parametrize('name', ['starter', 'tiny'])
def test_parameters_are_counted_without_the_networks(name: str, folder: Path) -> None:
    bundle = Bundle.load(folder if name == 'tiny' else name)
    assert bundle.count_parameters() == {
        part: sum(p.numel() for p in module.parameters())
        for part, module in bundle.model.named_children()}


def test_recognition_with_onnx_imports_no_torch(folder: Path) -> None:
    code = ('import sys, numpy as np; from mmer_ros import Recognizer, Pipeline, Utterance;'
            f'r = Recognizer.load({str(folder)!r}, engine="onnx"); Pipeline(r); r.warm_up();'
            'print(sorted({m.split(".")[0] for m in sys.modules} & {"torch", "torchvision", '
            '"torchaudio", "transformers", "facenet_pytorch", "silero_vad", "onnx"}))')
    done: Any = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True,
                               text=True, check=True)
    assert done.stdout.strip() == '[]'


def test_the_settings_of_the_papers_recipes_are_exported(tmp_path: Path) -> None:
    """A companded waveform, and a modality by itself through its crossmodal blocks."""
    audio = TINY_AUDIO.model_copy(update={'waveform': 'mu_law'})
    fusion = TINY.fusion.model_copy(update={'without_source': 'blocks'})
    model = TINY.model_copy(update={'audio': audio, 'fusion': fusion})
    tiny_bundle(model=model).save(tmp_path / 'paper')
    export_bundle(tmp_path / 'paper')
    one, other = (Recognizer.load(tmp_path / 'paper', engine=engine)  # type: ignore[arg-type]
                  for engine in ('torch', 'onnx'))
    linear = Recognizer.load(_saved(tmp_path / 'linear'), engine='torch')
    for subset in SUBSETS:
        given = utterance(subset, 1, samples=1_500, faces=3)
        assert most_apart(one, other, [given]) < AGREE, subset.title
    assert most_apart(one, linear, [utterance(Modality.AUDIO, 1, samples=1_500)]) > 10 * AGREE


def _saved(folder: Path) -> Path:
    tiny_bundle().save(folder)
    return folder
