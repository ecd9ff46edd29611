"""What importing the core brings with it."""

from __future__ import annotations

import subprocess
import sys

from .fixtures.stream import ROOT


def test_the_recogniser_is_imported_without_ros() -> None:
    """In a process of its own, with each module that a client starts from."""
    code = ('import mmer_ros.recognition.pipeline, mmer_ros.cli.main, '
            'mmer_ros.recordings.recording, sys;'
            'print([m for m in sys.modules if m.split(".")[0] in ("rclpy", "launch") '
            'or m.split(".")[0].endswith("_msgs") or m.startswith("mmer_ros.nodes")])')
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    assert done.stdout.strip() == '[]'
