# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What the log says of an unforeseen exception: where it was raised, but nothing that was said."""

from __future__ import annotations

from pathlib import Path
import traceback

# Their messages are about sizes, memory and files; those of others may quote words.
WITHOUT_WORDS = (RuntimeError, OSError, MemoryError)


def describe_error(error: Exception) -> str:
    """
    Return the kind of an exception and the line of this package that it came from.

    >>> try:
    ...     {}['what somebody said']
    ... except KeyError as error:
    ...     describe_error(error)
    'KeyError'
    """
    ours = [frame for frame in traceback.extract_tb(error.__traceback__)
            if 'mmer_ros' in Path(frame.filename).parts]
    place = f' at {Path(ours[-1].filename).name}:{ours[-1].lineno}' if ours else ''
    message = f': {error}' if isinstance(error, WITHOUT_WORDS) else ''
    return f'{type(error).__name__}{place}{message}'
