"""A subscription whose type is that of whoever publishes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mmer_ros.nodes.inputs.message_types import load_type, MissingType
from mmer_ros.types import InvalidInput
from rclpy.event_handler import SubscriptionEventCallbacks
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
UNKNOWN = 'UNKNOWN'  # in the name of a node that is not known yet
LOOKS_FOR_NAMES = 10
Tell = Callable[[str, str], object]  # (kind of fault, sentence)


@dataclass(frozen=True)
class TopicSpec:
    """
    What is subscribed to, and how.

    :param kind: name of the input in faults and parameters, e.g. 'audio'.
    :param topics: the first that has a publisher is taken.
    :param expected: types that are taken, for people.
    :param accepts: tells from the fields of a type whether it is taken.
    :param type_name: subscribe to this type without waiting for a publisher; '' waits.
    :param reliability: one of RELIABILITIES.
    :param latched: also take what was published before, of publishers that keep it.
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
        if self.latched:  # of both policies what the publishers offer
            return QoSProfile(depth=self.depth, reliability=ReliabilityPolicy.BEST_AVAILABLE,
                              durability=DurabilityPolicy.BEST_AVAILABLE)
        return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=self.depth,
                          reliability=RELIABILITIES[self.reliability])


class TopicInput:
    """
    Wait for a publisher, subscribe with its type, and hand on what comes.

    Whoever holds it calls `look` now and then. What cannot be received is told.

    :param take: is given each message; InvalidInput that it raises is told.
    :param tell: is told faults.
    """

    def __init__(self, node: Node, spec: TopicSpec, take: Callable[[Any], None],
                 tell: Tell) -> None:
        """Subscribe to nothing yet."""
        self.spec = spec
        self.received = 0
        self.type_name = ''  # of the subscription, '' while there is none
        self.topic = ''
        self._node = node
        self._take = take
        self._tell = tell
        self._subscription: Any = None
        self._refused: set[str] = set()  # types that were told of
        self._misfit = ''  # policy of a publisher from which nothing is received
        self._looks_left = 0

    def look(self) -> None:
        """Subscribe if somebody publishes, or publishes another type than before."""
        if self._misfit:
            self._tell_misfit()
        if self.spec.type_name:
            if self._subscription is None and self.spec.type_name not in self._refused:
                self._try(self.spec.topics[0], self.spec.type_name)
            return
        for topic in self.spec.topics:
            types = {info.topic_type for info in self._node.get_publishers_info_by_topic(topic)}
            if self._subscription is not None and self.type_name in types and topic == self.topic:
                return
            found = sorted(types - self._refused)
            if found and self._subscription is not None:
                self.close()  # DDS lets go of the old type before it takes the new one
                return
            if any(self._try(topic, name) for name in found):
                return

    def close(self) -> None:
        """Unsubscribe."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None
        self.type_name = self.topic = ''

    def _try(self, topic: str, type_name: str) -> bool:
        """Subscribe with a type if it can be used; tell why, once, if not."""
        try:
            message_type = load_type(type_name)
            if not self.spec.accepts(message_type.get_fields_and_field_types()):
                raise InvalidInput(f'{type_name} is not understood here; expected '
                                   f'{self.spec.expected}')
            self._subscription = self._node.create_subscription(
                message_type, topic, self._on_message, self.spec.qos,
                event_callbacks=SubscriptionEventCallbacks(
                    incompatible_qos=self._on_incompatible))
        except (MissingType, InvalidInput) as error:
            self._refuse(topic, type_name, str(error))
        except Exception as error:  # half installed, e.g. without its type support
            self._refuse(topic, type_name, f'{type_name} cannot be subscribed to: {error}')
        else:
            self.topic, self.type_name = topic, type_name
            return True
        return False

    def _refuse(self, topic: str, type_name: str, why: str) -> None:
        self._refused.add(type_name)
        self._tell(f'{self.spec.kind}_type', (
            f'{self.spec.kind}: {self._node.resolve_topic_name(topic)}: {why}'))

    def _on_message(self, message: Any) -> None:
        self.received += 1
        try:
            self._take(message)
        except InvalidInput as error:
            self._tell(str(error).split(':', 1)[0], str(error))
        except Exception as error:
            self._tell(type(error).__name__, (
                f'{self.spec.kind}: internal error, the message was left out: '
                f'{type(error).__name__}: {error}'))

    def _on_incompatible(self, event: Any) -> None:
        """Note it for the next looks: who publishes is known a little later."""
        self._misfit = qos_policy_name_from_kind(event.last_policy_kind)
        self._looks_left = LOOKS_FOR_NAMES

    def _tell_misfit(self) -> None:
        """Tell who publishes so that nothing is received, and what to do."""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        self._looks_left -= 1
        if self._looks_left and any(UNKNOWN in info.node_name for info in publishers):
            return
        policy, self._misfit = self._misfit, ''
        if policy == 'RELIABILITY' and not self.spec.latched:
            names = ', '.join(sorted(
                f'{info.node_namespace.rstrip("/")}/{info.node_name}' for info in publishers
                if info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
                and UNKNOWN not in info.node_name))
            remedy = (f'{names or "a publisher"} publishes with best effort, but '
                      f'{self.spec.kind}_reliability is reliable. Set {self.spec.kind}_'
                      'reliability to best_effort, or make the publisher reliable')
        else:
            remedy = f'the policy {policy} of a publisher does not fit; change it there'
        self._tell(f'{self.spec.kind}_qos', (
            f'{self.spec.kind}: nothing is received from a publisher on '
            f'{self._node.resolve_topic_name(self.topic)}: {remedy}'))
