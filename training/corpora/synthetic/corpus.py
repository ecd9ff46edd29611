# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The folder of a synthetic corpus, laid out as MELD is published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import as_completed, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
import csv
import io
import json
from multiprocessing import get_context
from pathlib import Path
import signal
from typing import Any

import av
import cv2
from mmer_ros.recordings.meld.table import CLIP_FOLDERS, COLUMNS, TABLES
from mmer_ros.types import EMOTIONS, InvalidInput
from training.corpora.examples import SPLITS
from training.corpora.synthetic.clip import write_clip
from training.corpora.synthetic.plan import Clip, CorpusConfig, plan, SHOWN_IN
from training.engine.files import write_file

VERSION = 1  # raised when the same options begin to give other clips
SIDECAR = 'synth.json'  # what the clips truly show; MELD has no such file
STRAY = '._dia0_utt0.mp4'  # macOS leaves such files in archives; MELD's test split has them


def clip_path(folder: Path, clip: Clip) -> Path:
    """Return where a clip lies."""
    return folder / CLIP_FOLDERS[clip.split] / f'{clip.name}.mp4'


def generate(folder: Path, config: CorpusConfig, jobs: int = 1,
             on_clip: Callable[[int, int], None] = lambda done, total: None) -> list[Clip]:
    """
    Write a corpus, or what is missing of it: finished clips are kept.

    :param jobs: processes that render; the result does not depend on it.
    :param on_clip: called with the number of finished clips and of all.
    :return: the plan that it follows.
    :raises InvalidInput: if the folder holds something else, or cannot be written.
    """
    clips = plan(config)
    with _reported(folder):
        _claim(folder, config, clips)
        for split in SPLITS:
            (folder / CLIP_FOLDERS[split]).mkdir(exist_ok=True)
            rows = [clip for clip in clips if clip.split == split]
            write_file(folder / TABLES[split], _table(rows, config.quirks and split == 'train'))
        if config.quirks:
            write_file(folder / CLIP_FOLDERS['test'] / STRAY, bytes(163))
        wanted = [clip for clip in clips if clip.quirk != 'missing']
        lacking = [clip for clip in wanted if not clip_path(folder, clip).exists()]
        done = len(wanted) - len(lacking)
        on_clip(done, len(wanted))
        for _ in _render(folder, config, lacking, jobs):
            done += 1
            on_clip(done, len(wanted))
    return clips


@contextmanager
def _reported(folder: Path) -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise InvalidInput(f'synthetic corpus {folder}: a rendering process was killed; run '
                           'again with fewer --jobs, finished clips are kept') from error
    except (OSError, av.FFmpegError) as error:
        raise InvalidInput(f'synthetic corpus {folder}: it cannot be written ({error}); free '
                           'space or choose another folder and run again, finished clips are '
                           'kept') from error


def _claim(folder: Path, config: CorpusConfig, clips: list[Clip]) -> None:
    """Write the sidecar, unless the folder already follows another plan."""
    sidecar = folder / SIDECAR
    if sidecar.exists():
        facts = read_sidecar(folder)
        before = facts['config'] | {'version': facts.get('version')}
        now = config.model_dump(mode='json') | {'version': VERSION}
        other = [f'{name} {before.get(name)} instead of {now[name]}' for name in now
                 if before.get(name) != now[name]]
        if other:
            raise InvalidInput(f'synthetic corpus {folder}: it was begun with {", ".join(other)}; '
                               'give the same options to go on, or another folder')
    elif folder.exists() and any(folder.iterdir()):
        raise InvalidInput(f'synthetic corpus {folder}: the folder holds something else; '
                           'give a new or an empty one')
    folder.mkdir(parents=True, exist_ok=True)
    write_file(sidecar, json.dumps({
        'about': 'Synthetic corpus of `python -m training synth`: true emotion of each clip, the '
                 'emotion that each modality shows, and which show the true one.',
        'version': VERSION, 'config': config.model_dump(mode='json'),
        'clips': {clip.key: _facts(clip) for clip in clips}}, indent=1).encode())


def read_sidecar(folder: Path) -> dict[str, Any]:
    """
    Read what a corpus truly shows: 'config', and 'clips' by key.

    Each clip has 'emotion', 'speaker', 'shown' (emotion by modality), 'carries' (modalities
    that show the true emotion) and 'quirk'.

    :raises InvalidInput: if the file is not there or damaged.
    """
    try:
        facts = json.loads((folder / SIDECAR).read_text(encoding='utf-8'))
        if not {'config', 'clips'} <= set(facts):
            raise ValueError('config or clips are not in it')
    except (OSError, ValueError, TypeError) as error:
        raise InvalidInput(f'{folder / SIDECAR}: it is not the sidecar of a synthetic corpus '
                           f'({error}); generate the corpus in another folder') from error
    result: dict[str, Any] = facts
    return result


def _facts(clip: Clip) -> dict[str, Any]:
    return {'emotion': EMOTIONS[clip.emotion], 'speaker': clip.speaker.name,
            'shown': {name: EMOTIONS[i] for name, i in zip(SHOWN_IN, clip.shown)},
            'carries': list(clip.carries), 'quirk': clip.quirk}


def _table(clips: list[Clip], quirks: bool) -> bytes:
    """Write the rows of a split as MELD does; with its encodings, if wanted."""
    text = io.StringIO(newline='')
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(COLUMNS)
    for number, clip in enumerate(clips, 1):
        writer.writerow((
            number, clip.text, clip.speaker.name, EMOTIONS[clip.emotion], clip.sentiment,
            clip.dialogue, clip.turn, clip.season, clip.episode, clock(clip.start),
            clock(clip.start + clip.score.duration)))
    content = text.getvalue()
    if not quirks:
        return content.encode()
    # Windows' apostrophe as a control character in UTF-8, and as a byte that is no UTF-8.
    return content.replace('’', '\x92', 1).encode().replace('’'.encode(), b'\x92', 1)


def clock(seconds: float) -> str:
    """Return a time as MELD writes it, e.g. 00:16:16,059."""
    ms = round(seconds * 1000)
    return f'{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02},{ms % 1000:03}'


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the work
    cv2.setNumThreads(1)


def _render(folder: Path, config: CorpusConfig, clips: list[Clip], jobs: int) -> Iterator[None]:
    """Write clips, in this process or in several."""
    if jobs == 1 or len(clips) < 2:
        for clip in clips:
            write_clip(config, clip, clip_path(folder, clip))
            yield
        return
    pool = ProcessPoolExecutor(min(jobs, len(clips)), get_context('spawn'), _start_worker)
    try:
        work = [pool.submit(write_clip, config, clip, clip_path(folder, clip)) for clip in clips]
        for future in as_completed(work):
            future.result()
            yield
    finally:
        pool.shutdown(cancel_futures=True)
