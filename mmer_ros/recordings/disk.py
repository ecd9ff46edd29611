# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What the system refused, as a sentence for people."""

from __future__ import annotations

import errno

ADVICE = {
    errno.ENOSPC: 'free some space, or give another --output',
    errno.EDQUOT: 'free some space, or give another --output',
    errno.EACCES: 'give a place that you may read and write',
    errno.EPERM: 'give a place that you may read and write',
    errno.EROFS: 'give a place that you may write',
    errno.ENAMETOOLONG: 'give a shorter name'}


def describe_os_error(error: OSError) -> str:
    """
    Return where and why the system refused, and what to do.

    >>> describe_os_error(OSError(errno.ENOSPC, 'No space left on device', 'out.jsonl'))
    'out.jsonl: No space left on device; free some space, or give another --output'
    """
    where = f'{error.filename}: ' if error.filename else ''
    reason = error.strerror or str(error) or type(error).__name__
    advice = ADVICE.get(error.errno or 0, '')
    return f'{where}{reason}{"; " if advice else ""}{advice}'
