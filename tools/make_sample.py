"""
Make the sample recording: a dialogue with a face, voices and transcripts, as a rosbag2 folder.

Run it from the checkout, in the project's environment with flite and scikit-image:

    python -m tools.make_sample --out sample/dialogue --seed 0
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
import shutil
import sys

MODULES = {'cv2': 'opencv-python-headless', 'rosbags': 'rosbags', 'skimage': 'scikit-image'}


def missing() -> list[str]:
    """Name everything that the maker needs and that is not installed."""
    from tools.sample.speech import flite_missing

    lacking = [f'{package} is not installed (pip install {package})'
               for module, package in MODULES.items() if importlib.util.find_spec(module) is None]
    return [*lacking, *filter(None, [flite_missing()])]


def make(out: Path, seed: int) -> int:
    """
    Write the recording and its labels into a new folder.

    :returns: size of the folder in bytes.
    """
    from tools.sample.expression import envelope
    from tools.sample.recording import labels_csv, write_bag
    from tools.sample.render import Scene
    from tools.sample.speech import SAMPLE_RATE, speech

    sound, utterances = speech(seed)
    scene = Scene(utterances, envelope(sound, SAMPLE_RATE), seed)
    write_bag(out, sound, utterances, scene, seed)
    (out / 'labels.csv').write_text(labels_csv(utterances), encoding='utf-8')
    return sum(file.stat().st_size for file in out.iterdir())


def main(arguments: list[str] | None = None) -> int:
    """Make the sample from the command line; the exit status is 0 on success."""
    parser = argparse.ArgumentParser(prog='python -m tools.make_sample', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=Path('sample/dialogue'))
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--force', action='store_true', help='replace an earlier recording')
    parser.add_argument('--check', action='store_true',
                        help='afterwards, see that detectors of voice and face find what is there')
    options = parser.parse_args(arguments)
    lacking = missing()
    if lacking:
        print('cannot make the sample:', *lacking, sep='\n  ', file=sys.stderr)
        return 1
    if options.force and (options.out / 'metadata.yaml').exists():
        shutil.rmtree(options.out)
    if options.out.exists():
        print(f'{options.out} exists; --force replaces a recording', file=sys.stderr)
        return 1
    print(f'{options.out}: {make(options.out, options.seed) / 1e6:.2f} MB')
    if options.check:
        from tools.sample.check import check

        problems = check(options.out)
        print(*problems or ['all checks passed'], sep='\n')
        return int(bool(problems))
    return 0


if __name__ == '__main__':
    sys.exit(main())
