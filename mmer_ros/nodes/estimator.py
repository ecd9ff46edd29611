"""The executable `estimator`."""

from __future__ import annotations

from mmer_ros.nodes import process

NODE = 'mmer_ros.nodes.estimator_node', 'EstimatorNode'


def main(arguments: list[str] | None = None) -> int:
    """Run the node until it is told to stop; return the exit code."""
    return process.main(*NODE, arguments)


def run() -> None:
    """Run the node as a process; does not return."""
    process.run(*NODE)


if __name__ == '__main__':
    run()
