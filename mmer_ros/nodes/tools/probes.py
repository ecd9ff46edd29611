# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""ROS for benchmarks: lossless quality of service, recorded messages, transitions."""

from __future__ import annotations

import time
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from mmer_ros.nodes.inputs.message_types import load_type
from mmer_ros.recordings.recording import Recorded
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message

TRANSITIONS = {
    'configure': Transition.TRANSITION_CONFIGURE, 'activate': Transition.TRANSITION_ACTIVATE,
    'deactivate': Transition.TRANSITION_DEACTIVATE, 'cleanup': Transition.TRANSITION_CLEANUP}


def reliable(depth: int = 1000) -> QoSProfile:
    """Return a quality of service without loss for up to `depth` waiting messages."""
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE)


def read_message(recorded: Recorded) -> Any:
    """Return a recorded message as a ROS message."""
    return deserialize_message(recorded.data, load_type(recorded.msgtype))


class LifecycleClient:
    """
    Change the state of a managed node.

    :raises RuntimeError: if it does not appear within `wait_s` seconds.
    """

    def __init__(self, node: Node, managed: str, wait_s: float = 120.0) -> None:
        self._client = node.create_client(ChangeState, f'{managed}/change_state')
        if not self._client.wait_for_service(wait_s):
            raise RuntimeError(f'the node {managed} does not start; see its log')

    def change(self, name: str) -> None:
        """
        Request a transition, one of TRANSITIONS, and wait for its end.

        :raises RuntimeError: if it fails.
        """
        request = ChangeState.Request(transition=Transition(id=TRANSITIONS[name]))
        future = self._client.call_async(request)
        while not future.done():
            time.sleep(0.02)
        if not future.result().success:
            raise RuntimeError(f'the node refused to {name}; see its log')
