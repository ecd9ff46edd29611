"""The executable `emotion`: starts the node, and ends it quickly and quietly when told to."""

from __future__ import annotations

import logging
import os
import sys


def main(arguments: list[str] | None = None) -> int:
    """
    Run the node until it is told to stop; return the exit code.

    What takes seconds to import is imported within, so that an interrupt in the meantime is no
    traceback either.
    """
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return 0


def _run(arguments: list[str] | None) -> int:
    from mmer_ros.nodes.emotion_node import EmotionNode, SUCCESS
    import rclpy
    from rclpy.exceptions import ParameterException
    from rclpy.executors import ExternalShutdownException
    rclpy.init(args=arguments)
    try:
        node = EmotionNode()
        try:
            if node.get_parameter('autostart').value:
                if node.trigger_configure() == SUCCESS:
                    node.trigger_activate()
            rclpy.spin(node)
        except (KeyboardInterrupt, ExternalShutdownException):
            pass
        finally:
            node.destroy_node()
    except ParameterException as error:
        rclpy.logging.get_logger('emotion').fatal(f'{error}; see docs/parameters.md')
        return 2
    finally:
        rclpy.try_shutdown()
    return 0


def run() -> None:
    """
    Run the node as a process; does not return.

    The process ends at once when the node has. To take the modules of torch apart, Python would
    need seconds; a thread that is deep in a network is not waited for.
    """
    code = main(sys.argv)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == '__main__':
    run()
