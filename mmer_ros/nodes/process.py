"""The executables: start a node, and end it quickly and quietly when told to."""

from __future__ import annotations

from importlib import import_module
import logging
import os
import sys


def main(module: str, name: str, arguments: list[str] | None = None) -> int:
    """
    Run a node until it is told to stop; return the exit code.

    What takes seconds to import is imported within, so that an interrupt in the meantime is no
    traceback either.

    :param module: that holds the class `name` of the node.
    """
    try:
        return _run(module, name, arguments)
    except KeyboardInterrupt:
        return 0


def _run(module: str, name: str, arguments: list[str] | None) -> int:
    node_class = getattr(import_module(module), name)
    from mmer_ros.nodes.managed_node import SUCCESS
    import rclpy
    from rclpy.exceptions import ParameterException
    from rclpy.executors import ExternalShutdownException
    rclpy.init(args=arguments)
    try:
        node = node_class()
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
        rclpy.logging.get_logger('mmer_ros').fatal(f'{error}; see docs/parameters.md')
        return 2
    finally:
        rclpy.try_shutdown()
    return 0


def run(module: str, name: str) -> None:
    """
    Run a node as a process, as `main`; does not return.

    The process ends at once when the node has. To take the modules of torch apart, Python would
    need seconds; a thread that is deep in a network is not waited for.
    """
    code = main(module, name, sys.argv)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
