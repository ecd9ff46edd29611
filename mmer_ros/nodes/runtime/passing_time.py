# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The time that passes for a node: that of a recording stands still while it is paused."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

from mmer_ros.nodes.conversions import NANOSECONDS
from rclpy.node import Node


class PassingTime:
    """
    Return seconds of ROS time while it is simulated (`use_sim_time`), else of the steady clock.

    :param on_change: called when another clock begins to count; earlier times are of no use then.
    """

    def __init__(self, node: Node, on_change: Callable[[], object]) -> None:
        self._node = node
        self._on_change = on_change
        self._simulated = False

    def __call__(self) -> float:
        """Return the present, seconds."""
        clock: Any = self._node.get_clock()
        now = clock.now().nanoseconds / NANOSECONDS if clock.ros_time_is_active else 0.0
        if (now > 0) != self._simulated:  # it is 0 until the first message on /clock
            self._simulated = now > 0
            self._on_change()
        return now if self._simulated else time.monotonic()
