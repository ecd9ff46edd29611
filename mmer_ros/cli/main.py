"""The `mmer` command: emotions in files and recordings, and bundles; needs no ROS."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import csv
from dataclasses import replace
import json
import logging
from pathlib import Path
import sys

from mmer_ros import __version__
from mmer_ros.cli import compare, meld2bag, monitor, replay
from mmer_ros.cli.settings_options import add_settings, given_settings
from mmer_ros.recognition.bundle import architectures, Bundle
from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recordings.clips import utterance_of_clip
from mmer_ros.recordings.media import duration, read_media
from mmer_ros.sensing.face_detector import make_detector
from mmer_ros.sensing.faces import FaceStream, FrameSampler
from mmer_ros.types import (
    AudioBlock,
    Estimate,
    InvalidInput,
    Transcript,
    Utterance,
    VideoFrame,
)
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
import torch


def main(arguments: list[str] | None = None) -> int:
    """
    Run the command and return its exit code.

    :return: 0 good, 1 nothing estimated, 2 bad input, 3 a part of the input was left out.
    """
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    logging.basicConfig(format='%(message)s', handlers=[RichHandler(
        console=console, show_time=False, show_path=False)])
    try:
        code: int = options.run(options, console)
        return code
    except InvalidInput as error:
        console.print(f'[bold red]error:[/] {error}', highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print('interrupted; what was estimated so far is kept')
        return 130


def replay_main() -> int:
    """Run `mmer replay`, for `ros2 run mmer_ros replay`."""
    arguments = sys.argv[1:]
    if '--ros-args' in arguments:  # what follows is meant for nodes
        arguments = arguments[:arguments.index('--ros-args')]
    return main(['replay', *arguments])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='mmer', description=__doc__)
    parser.add_argument('--version', action='version', version=__version__)
    commands = parser.add_subparsers(required=True, metavar='COMMAND')

    recognize = commands.add_parser(
        'recognize', help='estimate the emotions of the utterances in audio or video files')
    recognize.add_argument('clips', nargs='+', type=Path, metavar='CLIP')
    recognize.add_argument('--transcript', default='', metavar='TEXT|FILE', help=(
        'the words of the clip, which is then one utterance; or a .csv file with the columns '
        'start, end, text (seconds) for the words of each utterance'))
    recognize.add_argument('--whole', action='store_true',
                           help='take each clip as one utterance, without segmentation')
    add_settings(recognize)
    recognize.add_argument('--output', type=Path, metavar='FILE', help=(
        'JSON lines are saved here (default: CLIP.emotions.jsonl in the current folder)'))
    recognize.set_defaults(run=_recognize)

    replay.add_parser(commands)
    compare.add_parser(commands)
    meld2bag.add_parser(commands)
    monitor.add_parser(commands)

    create = commands.add_parser('create-bundle', help='write an untrained bundle to a folder')
    create.add_argument('architecture', choices=architectures())
    create.add_argument('folder', type=Path)
    create.add_argument('--seed', type=int, default=0)
    create.set_defaults(run=_create)

    inspect = commands.add_parser('inspect', help='check a bundle and print what it is')
    inspect.add_argument('bundle')
    inspect.set_defaults(run=_inspect)
    return parser


def _recognize(options: argparse.Namespace, console: Console) -> int:
    missing = [str(clip) for clip in options.clips if not clip.is_file()]
    if missing:
        raise InvalidInput(f'{", ".join(missing)}: there is no such file')
    given_settings(options)
    if options.threads:
        torch.set_num_threads(options.threads)
    recognizer = Recognizer.load(options.bundle, device=options.device, prior=options.prior)
    count = 0
    for clip in options.clips:
        output = options.output or Path(f'{clip.stem}.emotions.jsonl')
        mode = 'a' if options.output and clip != options.clips[0] else 'w'
        with output.open(mode, encoding='utf-8') as file:
            for estimate in _estimates(clip, recognizer, options, console):
                line = json.dumps({'clip': str(clip), **estimate.to_dict()})
                print(line, flush=True)
                file.write(line + '\n')
                count += 1
        console.print(f'saved to {output}')
    if not count:
        console.print('no utterance was found: no speech; try --whole')
    return 0 if count else 1


def _estimates(clip: Path, recognizer: Recognizer, options: argparse.Namespace,
               console: Console) -> Iterator[Estimate]:
    timed = options.transcript.endswith('.csv')
    if options.whole or (options.transcript and not timed):
        utterance = _one_utterance(clip, recognizer, options.transcript, console)
        end = duration(clip)
        yield replace(recognizer.recognize(utterance), utterance_id=clip.stem, end=end, stamp=end,
                      transcript=utterance.text or '')
        return
    words = read_transcripts(Path(options.transcript)) if timed else []
    pipeline = Pipeline(recognizer)
    for item in _with_progress(clip, pipeline.sampler(), console):
        clock = item.stamp
        while words and words[0].stamp <= clock:
            yield from pipeline.push_transcript(words.pop(0))
        if isinstance(item, AudioBlock):
            yield from pipeline.push_audio(item)
        else:
            yield from pipeline.push_frame(item)
    for transcript in words:
        yield from pipeline.push_transcript(transcript)
    yield from pipeline.flush()
    for event in pipeline.drain_events():
        console.print(f'{event.stamp:.2f} s: {event.text}', highlight=False, soft_wrap=True)


def _with_progress(clip: Path, sampler: FrameSampler,
                   console: Console) -> Iterator[AudioBlock | VideoFrame]:
    columns = (TextColumn('{task.description}'), BarColumn(),
               TextColumn('{task.completed:.1f} / {task.total:.1f} s'), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(clip.name, total=max(duration(clip), 0.1))
        for item in read_media(clip, sampler):
            progress.update(task, completed=item.stamp)
            yield item


def _one_utterance(clip: Path, recognizer: Recognizer, text: str,
                   console: Console) -> Utterance:
    faces = FaceStream(make_detector(recognizer.config.faces, recognizer.device))
    return utterance_of_clip(_with_progress(clip, faces.sampler(), console), faces, text=text)


def read_transcripts(path: Path) -> list[Transcript]:
    """
    Read timed words: a CSV file with the columns start, end and text.

    :raises InvalidInput: if the file or a row is not of this form.
    """
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            table = csv.DictReader(file)
            rows = list(table)
        if not {'end', 'text'} <= set(table.fieldnames or ()):
            raise ValueError(f'its columns are {table.fieldnames or "none"}')
        transcripts = [Transcript(float(row['end']), row['text']) for row in rows if row['text']]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f'{path}: not a CSV file with the columns start, end and text '
                           f'(seconds): {error!r}') from error
    return sorted(transcripts, key=lambda t: t.stamp)


def _create(options: argparse.Namespace, console: Console) -> int:
    bundle = Bundle.untrained(options.architecture, options.seed)
    bundle.save(options.folder)
    console.print(f'wrote {options.folder}: {bundle.config.name}, UNTRAINED, '
                  f'hash {bundle.content_hash}')
    return 0


def _inspect(options: argparse.Namespace, console: Console) -> int:
    bundle = Bundle.load(options.bundle)
    parts = {name: sum(p.numel() for p in module.parameters())
             for name, module in bundle.model.named_children()}
    print(json.dumps({'name': bundle.config.name, 'hash': bundle.content_hash,
                      'trained': bundle.config.trained, 'calibrated': bundle.config.calibrated,
                      'parameters': parts, 'config': bundle.config.model_dump(mode='json')},
                     indent=2))
    return 0


if __name__ == '__main__':
    sys.exit(main())
