# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Settings of the middleware that have to be made before ROS starts."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
import re

PLACE = re.compile(r',? at /\S+:\d+')  # in the source of rcl
PROFILES = Path(__file__).with_name('fast_dds.xml')
VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
OTHERS = ('FASTDDS_DEFAULT_PROFILES_FILE', 'RMW_FASTRTPS_USE_QOS_FROM_XML')
OWN_FILE = Path('DEFAULT_FASTRTPS_PROFILES.xml')  # that Fast DDS finds in the working folder


def prepare_lossy_network(environment: MutableMapping[str, str]) -> None:
    """
    Let Fast DDS use our profiles, unless the user has chosen others.

    Call it before the first node is made. Other middleware ignores the variable.

    :param environment: variables of this process, os.environ.
    """
    chosen = any(name in environment for name in (VARIABLE, *OTHERS)) or OWN_FILE.exists()
    if not chosen and PROFILES.exists():
        environment[VARIABLE] = str(PROFILES)


def plain(error: Exception) -> str:
    """
    Return an error of rcl as one line, without places in its source.

    >>> plain(RuntimeError('invalid name, at /project/src/rcl/init.c:286'))
    'invalid name'
    """
    return ' '.join(PLACE.sub('', str(error)).split())
