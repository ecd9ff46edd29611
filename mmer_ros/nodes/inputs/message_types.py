"""Message classes by name, imported only where they are needed."""

from __future__ import annotations

import importlib
import os
from typing import Any

TWO_PACKAGES = ('two packages have this name, that of ros-drivers (AudioData, AudioDataStamped) '
                'and that of mgonzs13 (AudioStamped), and the publisher uses the other one')


class MissingType(ImportError):
    """A message type that is not installed; the message says what to install."""


def load_type(name: str) -> Any:
    """
    Return a message class.

    :param name: e.g. 'std_msgs/msg/String'; 'std_msgs/String' will do.
    :raises MissingType: if it is not installed.
    """
    package, _, message = name.replace('/msg/', '/').partition('/')
    try:
        module = importlib.import_module(f'{package}.msg')
    except ImportError as error:
        raise MissingType(
            f'{name} cannot be read, since {package} is not installed here ({error}); install '
            f'{apt_name(package)} with apt, or build {package} and source its workspace, then '
            'start the node again') from error
    try:
        return getattr(module, message)
    except AttributeError as error:
        why = TWO_PACKAGES if package == 'audio_common_msgs' else 'it is of another version'
        raise MissingType(f'{name} cannot be read: {package} is installed here, but without '
                          f'{message}: {why}; install the same as the publisher has') from error


def apt_name(package: str) -> str:
    """Return the name of a ROS package's Debian package."""
    return f'ros-{os.environ.get("ROS_DISTRO") or "jazzy"}-{package.replace("_", "-")}'
