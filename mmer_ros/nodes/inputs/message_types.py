# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Message classes by name, imported when they are needed."""

from __future__ import annotations

import importlib
import os
from typing import Any

TWO_PACKAGES = ('two packages have this name, one by ros-drivers (AudioData, AudioDataStamped) '
                'and one by mgonzs13 (AudioStamped), and the publisher uses the other one')


class MissingType(ImportError):
    """A message type that is not installed; the message says what to install."""


def load_type(name: str) -> Any:
    """
    Return a message class.

    :param name: 'std_msgs/msg/String' or 'std_msgs/String'.
    :raises MissingType: if it is not installed.
    """
    package, _, message = name.replace('/msg/', '/').partition('/')
    try:
        module = importlib.import_module(f'{package}.msg')
    except ImportError as error:
        raise MissingType(
            f'{name} cannot be read because {package} is not installed here ({error}); install '
            f'{apt_name(package)} with apt, or build {package} and source its workspace, then '
            'start the node again') from error
    try:
        return getattr(module, message)
    except AttributeError as error:
        why = TWO_PACKAGES if package == 'audio_common_msgs' else 'it is another version'
        raise MissingType(f'{name} cannot be read: {package} is installed here, but without '
                          f'{message}: {why}; install the one of the publisher') from error


def apt_name(package: str) -> str:
    """
    Return the Debian package of a ROS package.

    >>> apt_name('hri_msgs')
    'ros-jazzy-hri-msgs'
    """
    return f'ros-{os.environ.get("ROS_DISTRO") or "jazzy"}-{package.replace("_", "-")}'
