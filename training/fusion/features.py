"""What the encoders make of every example, kept on disk: all that the fusion is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
import hashlib
import json
from pathlib import Path
from typing import Any

from mmer_ros.batching import batch_features
from mmer_ros.bundle import Bundle
from mmer_ros.text_encoder import DialogueTokenizer
from mmer_ros.types import InvalidInput, MODALITIES, Modality, Utterance
from rich.progress import track
import safetensors
import safetensors.torch
import torch
from torch import Tensor
from training.corpora.examples import Example
from training.engine.files import write_file
from training.engine.progress import Reporter
from training.preparation.clip_cache import ClipCache
from training.text.data import dialogues

SHARD = 64  # examples


class FeatureCache:
    """
    Features by example and modality, (T, width) float32 each.

    :param folder: of the features, with `features.json` and `shards/`.
    :raises InvalidInput: if it is not complete.
    """

    def __init__(self, folder: Path) -> None:
        """Read what there is."""
        try:
            facts = json.loads((folder / 'features.json').read_text())
        except (OSError, ValueError) as error:
            raise InvalidInput(f'features {folder}: they are not complete ({error}); make them '
                               'with `train fusion`') from error
        self.folder = folder
        self.widths = {Modality[name]: int(width) for name, width in facts['widths'].items()}
        self._place: dict[str, tuple[int, int]] = {
            key: (shard, row) for shard, keys in enumerate(facts['shards'])
            for row, key in enumerate(keys)}
        self._shards: dict[int, Any] = {}

    def __contains__(self, key: str) -> bool:
        """Tell whether there are features of an example."""
        return key in self._place

    def get(self, key: str) -> dict[Modality, Tensor]:
        """Return the features of an example; modalities that it lacks are missing."""
        shard, names = self._names(key)
        return {modality: shard.get_tensor(name) for modality, name in names.items()}

    def lengths(self, key: str) -> dict[Modality, int]:
        """Return the steps of each modality of an example, without loading them."""
        shard, names = self._names(key)
        return {modality: int(shard.get_slice(name).get_shape()[0])
                for modality, name in names.items()}

    def _names(self, key: str) -> tuple[Any, dict[Modality, str]]:
        """Return the shard of an example, and the tensors in it by modality."""
        number, row = self._place[key]
        if number not in self._shards:  # mapped into memory: only what is asked for is read
            path = self.folder / 'shards' / f'{number:05d}.safetensors'
            self._shards[number] = safetensors.safe_open(path, 'pt')
        shard = self._shards[number]
        there = set(shard.keys())
        return shard, {m: name for m in MODALITIES if (name := f'{row}.{m.name}') in there}


def make_features(bundle: Bundle, cache: ClipCache, folder: Path, reporter: Reporter, *,
                  splits: Iterable[str], with_reply: bool = False,
                  device: torch.device | None = None) -> FeatureCache:
    """
    Run the encoders of a bundle over a corpus; what is on disk already is kept.

    :param folder: gets a folder of its own for each bundle and corpus.
    :param with_reply: give the text encoder the reply that follows, which no robot has.
    """
    wanted = set(splits)
    examples = [e for e in cache.examples if e.split in wanted and cache.modalities(e.key)]
    folder = folder / _fingerprint(bundle, cache, examples, with_reply)
    if (folder / 'features.json').is_file():
        return FeatureCache(folder)
    (folder / 'shards').mkdir(parents=True, exist_ok=True)
    turns = {d.example.key: d for d in dialogues(
        cache.examples, bundle.config.model.text.history_turns)}
    groups = [examples[i:i + SHARD] for i in range(0, len(examples), SHARD)]
    for number, group in enumerate(track(groups, 'features' + ', with reply' * with_reply,
                                         console=reporter.console, transient=True)):
        path = folder / 'shards' / f'{number:05d}.safetensors'
        if path.is_file():
            continue
        utterances = []
        for example in group:
            turn = turns.get(example.key)
            utterances.append(Utterance(
                text=example.text or None, audio=cache.audio(example.key),
                faces=cache.faces(example.key), speaker=example.speaker,
                history=turn.history if turn else (),
                reply=turn.reply if turn and with_reply else None))
        encoded = _encode(bundle, utterances, device or torch.device('cpu'))
        write_file(path, safetensors.torch.save(dict(encoded)))
    model = bundle.model
    write_file(folder / 'features.json', json.dumps({
        'shards': [[e.key for e in group] for group in groups],
        'widths': {'TEXT': model.text.width, 'AUDIO': model.audio.width,
                   'FACE': model.face.width}}).encode())
    return FeatureCache(folder)


@torch.inference_mode()
def _encode(bundle: Bundle, utterances: Sequence[Utterance], device: torch.device
            ) -> Mapping[str, Tensor]:
    """Return the features of the utterances without padding, named 'row.MODALITY'."""
    model = bundle.model.to(device).eval()
    found: dict[str, Tensor] = {}
    for start in range(0, len(utterances), 8):
        part = utterances[start:start + 8]
        encoded = batch_features(model, DialogueTokenizer(bundle.tokenizer), part, device)
        for modality, (features, mask) in encoded.items():
            for row, (values, valid) in enumerate(zip(features, mask)):
                if valid.any():
                    found[f'{start + row}.{modality.name}'] = values[valid].cpu().contiguous()
    return found


def _fingerprint(bundle: Bundle, cache: ClipCache, examples: Sequence[Example], with_reply: bool
                 ) -> str:
    """Return a name that changes with the encoders, the corpus and the conditions."""
    digest = hashlib.sha256(bundle.content_hash.encode())
    digest.update(cache.info.model_dump_json().encode())
    digest.update(json.dumps([[e.key, e.text, e.speaker, e.turn] for e in examples]).encode())
    digest.update(b'reply' if with_reply else b'causal')
    return digest.hexdigest()[:16]
