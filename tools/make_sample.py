# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Make the sample recording: a dialogue of two drawn people, as a rosbag2 folder.

Run it from the checkout, with espeak-ng installed:

    python -m tools.make_sample --out sample/dialogue --seed 0
"""

from __future__ import annotations

import argparse
from pathlib import Path
import shutil
import sys

from mmer_ros.types import InvalidInput
from training.corpora.synthetic.people import make_people
from training.corpora.synthetic.recording import Line, record, Scene
from training.corpora.synthetic.stage import Shot

SCRIPT = (
    Line('dora', 'neutral', 'The office called me at nine this morning.', 'dora'),
    Line('dora', 'joy', 'I got the job, I am so happy!', 'dora'),
    Line('carl', 'surprise', 'What, really?', 'both'),
    Line('carl', 'neutral', 'And what did your old boss say about it?', 'carl'),
    Line('dora', 'anger', 'He yelled at me and tore my letter to pieces!', 'away',
         face_visible=False),
    Line('dora', 'sadness', 'I will miss all of my friends there so much, we were like a family.',
         'dora'),
    Line('dora', 'fear', 'What was that, I think somebody is in the house!', 'dora'),
    Line('carl', 'joy', 'Ha ha ha ha!', 'carl', has_transcript=False),
    Line('dora', 'joy', 'Come over here, you wonderful silly little cat!', 'both'),
    Line('carl', 'disgust', 'Oh no, it is eating a rotten fish, that is disgusting!', 'away',
         face_visible=False),
)
PLACES = {'dora': (1.55, .55), 'carl': (2.2, .54)}  # of the faces in the room
SHOTS = {'dora': Shot(1.55, zoom=1.15), 'carl': Shot(2.2, zoom=1.15), 'both': Shot(1.87, zoom=.85),
         'away': Shot(.55)}
ROOM_WIDTH = 3.


def make(out: Path, seed: int) -> int:
    """
    Write the recording and its labels into a new folder; return its size in bytes.

    The cast are the first woman and the first man that the generator draws, whoever they are.
    """
    cast = {name: (person, *PLACES[name])
            for name, person in zip(PLACES, make_people(seed, len(PLACES)))}
    record(out, SCRIPT, Scene(cast, SHOTS, ROOM_WIDTH), seed,
           made_by='mmer_ros: python -m tools.make_sample')
    return sum(file.stat().st_size for file in out.iterdir())


def main(arguments: list[str] | None = None) -> int:
    """Make the sample from the command line; the exit status is 0 on success."""
    parser = argparse.ArgumentParser(prog='python -m tools.make_sample', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=Path('sample/dialogue'))
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--force', action='store_true', help='replace an earlier recording')
    options = parser.parse_args(arguments)
    if options.force and (options.out / 'metadata.yaml').exists():
        shutil.rmtree(options.out)
    if options.out.exists():
        print(f'{options.out} exists; --force replaces a recording', file=sys.stderr)
        return 1
    try:
        size = make(options.out, options.seed)
    except InvalidInput as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(f'{options.out}: {size / 1e6:.2f} MB')
    return 0


if __name__ == '__main__':
    sys.exit(main())
