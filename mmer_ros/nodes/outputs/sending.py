"""Publishing from threads that may outlive the ROS context by a moment."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node


def send(node: Node, publisher: Any, message: Any) -> None:
    """
    Publish a message, unless ROS is being shut down.

    :raises Exception: what rclpy raises for any other reason.
    """
    try:
        if node.context.ok():
            publisher.publish(message)
    except Exception:  # rclpy has no one class for "the context is gone"
        if node.context.ok():
            raise
