# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A subscription that takes its message type from the publisher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mmer_ros.nodes.inputs.message_types import load_type, MissingType
from mmer_ros.runtime.internal_error import describe_error
from mmer_ros.types import InvalidInput
from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    qos_policy_name_from_kind,
    QoSProfile,
    ReliabilityPolicy,
)

RELIABILITIES = {'best_effort': ReliabilityPolicy.BEST_EFFORT,
                 'reliable': ReliabilityPolicy.RELIABLE}
UNKNOWN = 'UNKNOWN'  # part of the name of a node that discovery has not found yet
POLLS_FOR_NAMES = 10
SINGLE = ('image', 'audio')  # kinds of input that one publisher per topic is expected for
OnFault = Callable[[str, str], object]  # takes the kind of a fault and a sentence
OnLost = Callable[[str, int], object]  # takes the kind of an input and a number of messages
Tell = OnFault


@dataclass(frozen=True)
class TopicSpec:
    """
    Topics, types and quality of service of a subscription.

    >>> TopicSpec('image', ('image', 'image/compressed'), 'sensor_msgs/msg/Image', is_image)

    :param kind: name of the input in faults and parameters, e.g. 'audio'.
    :param topics: candidates; the first with a publisher is used.
    :param expected: the accepted types, for people.
    :param accepts: returns from the fields of a type (name -> type) whether it is accepted.
    :param type_name: subscribe to this type at once; '' waits for a publisher.
    :param reliability: 'best_effort' or 'reliable'.
    :param latched: also receive earlier messages, if the publisher keeps them.
    """

    kind: str
    topics: tuple[str, ...]
    expected: str
    accepts: Callable[[Mapping[str, str]], bool]
    type_name: str = ''
    reliability: str = 'best_effort'
    depth: int = 5
    latched: bool = False

    @property
    def qos(self) -> QoSProfile:
        """Quality of service of the subscription."""
        if self.latched:  # both policies as the publishers offer them
            return QoSProfile(depth=self.depth, reliability=ReliabilityPolicy.BEST_AVAILABLE,
                              durability=DurabilityPolicy.BEST_AVAILABLE)
        return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=self.depth,
                          reliability=RELIABILITIES[self.reliability])


class TopicInput:
    """
    Wait for a publisher, subscribe with its type, and pass its messages on.

    The owner calls `poll_publishers` from time to time. Types and publishers from which nothing
    can be received are reported as faults.

    :param receive: takes each message; InvalidInput that it raises is reported.
    :param on_fault: takes the kind and the text of each fault.
    :param on_lost: takes how many messages the middleware has lost since the last call.
    """

    def __init__(self, node: Node, spec: TopicSpec, receive: Callable[[Any], None],
                 on_fault: OnFault, on_lost: OnLost = lambda kind, count: None) -> None:
        self.spec = spec
        self.received = 0
        self.type_name = ''  # of the subscription; '' while there is none
        self.topic = ''
        self.refusal = ''  # why the latest publisher cannot be subscribed to
        self._node = node
        self._receive = receive
        self._on_fault = on_fault
        self._on_lost = on_lost
        self._rivals: set[str] = set()  # publishers of one topic that were reported
        self._subscription: Any = None
        self._refused: set[str] = set()  # types that were reported
        self._incompatible_policy = ''  # of a publisher from which nothing is received
        self._polls_left = 0

    def poll_publishers(self) -> None:
        """Subscribe if there is a publisher, or if its type has changed."""
        if self._incompatible_policy:
            self._report_incompatible_qos()
        if self._subscription is not None and self.spec.kind in SINGLE:
            self._report_rivals()
        if self.spec.type_name:
            if self._subscription is None and self.spec.type_name not in self._refused:
                self._subscribe(self.spec.topics[0], self.spec.type_name)
            return
        for topic in self.spec.topics:
            types = {info.topic_type for info in self._node.get_publishers_info_by_topic(topic)}
            if self._subscription is not None and self.type_name in types and topic == self.topic:
                return
            found = sorted(types - self._refused)
            if found and self._subscription is not None:
                self.close()  # DDS must release the old type before it takes the new one
                return
            if any(self._subscribe(topic, name) for name in found):
                return

    def close(self) -> None:
        """Unsubscribe."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None
        self.type_name = self.topic = ''

    def _subscribe(self, topic: str, type_name: str) -> bool:
        """Subscribe with a type; if that is impossible, report why, once."""
        try:
            message_type = load_type(type_name)
            if not self.spec.accepts(message_type.get_fields_and_field_types()):
                raise InvalidInput(f'{type_name} is not supported here; expected '
                                   f'{self.spec.expected}')
            self._subscription = self._create(message_type, topic)
        except (MissingType, InvalidInput) as error:
            self._refuse(topic, type_name, str(error))
        except Exception as error:  # half installed, e.g. without its type support
            self._refuse(topic, type_name, f'the subscription to {type_name} failed: {error}')
        else:
            self.topic, self.type_name, self.refusal = topic, type_name, ''
            return True
        return False

    def _create(self, message_type: Any, topic: str) -> Any:
        events = SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible,
                                            message_lost=self._on_message_lost)
        try:
            return self._node.create_subscription(
                message_type, topic, self._on_message, self.spec.qos, event_callbacks=events)
        except UnsupportedEventTypeError:  # the middleware does not count what it loses
            events.message_lost = None
            return self._node.create_subscription(
                message_type, topic, self._on_message, self.spec.qos, event_callbacks=events)

    def _refuse(self, topic: str, type_name: str, why: str) -> None:
        self._refused.add(type_name)
        self.refusal = f'{self._node.resolve_topic_name(topic)}: {why}'
        self._on_fault(f'{self.spec.kind}_type', f'{self.spec.kind}: {self.refusal}')

    def _on_message(self, message: Any) -> None:
        self.received += 1
        try:
            self._receive(message)
        except InvalidInput as error:
            self._on_fault(str(error).split(':', 1)[0], str(error))
        except Exception as error:
            self._on_fault(type(error).__name__, (
                f'{self.spec.kind}: internal error, the message was skipped: '
                f'{describe_error(error)}'))

    def _on_message_lost(self, event: Any) -> None:
        self._on_lost(self.spec.kind, event.total_count_change)

    def _report_rivals(self) -> None:
        """Report, once, several publishers of a topic that one sensor is expected on."""
        names = {_full_name(info) for info in
                 self._node.get_publishers_info_by_topic(self.topic)
                 if UNKNOWN not in info.node_name}
        if len(names) > 1 and not names <= self._rivals:
            self._rivals |= names
            self._on_fault(f'{self.spec.kind}_publishers', (
                f'{self.spec.kind}: {" and ".join(sorted(names))} publish on '
                f'{self._node.resolve_topic_name(self.topic)}; the one whose stamps go on is '
                'followed. Stop the others, or give them topics of their own'))

    def _on_incompatible(self, event: Any) -> None:
        """Keep the policy for the next polls: discovery finds the publisher's name later."""
        self._incompatible_policy = qos_policy_name_from_kind(event.last_policy_kind)
        self._polls_left = POLLS_FOR_NAMES

    def _report_incompatible_qos(self) -> None:
        """Report the publisher from which nothing is received, and what to do."""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        self._polls_left -= 1
        if self._polls_left and any(UNKNOWN in info.node_name for info in publishers):
            return
        policy, self._incompatible_policy = self._incompatible_policy, ''
        if policy == 'RELIABILITY' and not self.spec.latched:
            names = ', '.join(sorted(
                _full_name(info) for info in publishers
                if info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
                and UNKNOWN not in info.node_name))
            remedy = (f'{names or "a publisher"} publishes with best effort, but '
                      f'{self.spec.kind}_reliability is reliable. Set {self.spec.kind}_'
                      'reliability to best_effort, or make the publisher reliable')
        else:
            remedy = f'the policy {policy} of a publisher is incompatible; change it there'
        self._on_fault(f'{self.spec.kind}_qos', (
            f'{self.spec.kind}: nothing is received from a publisher on '
            f'{self._node.resolve_topic_name(self.topic)}: {remedy}'))


def _full_name(info: Any) -> str:
    """Return the name of a publisher's node with its namespace."""
    return f'{info.node_namespace.rstrip("/")}/{info.node_name}'
