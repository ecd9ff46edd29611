"""What the tests of outputs, life and health ask of a running node, and send to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from mmer_msgs.msg import AudioChunk
from mmer_ros.nodes.conversions import to_time
from mmer_ros.types import EMOTIONS, Estimate, Modality
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from .model_fixtures import tiny_bundle
from .ros_fixtures import eventually, Rig


def tiny(folder: Path, seed: int = 0, **config: Any) -> str:
    """Save a small bundle, and return where."""
    path = folder / f'tiny{seed}'
    tiny_bundle(seed, **config).save(path)
    return str(path)


def estimate(**fields: Any) -> Estimate:
    """Return an estimate of joy."""
    p = np.full(7, 0.05, np.float32)
    p[EMOTIONS.index('joy')] = 0.7
    values: dict[str, Any] = {
        'probabilities': p, 'logits': p, 'modalities': Modality.FACE,
        'modality_weights': (0.0, 0.0, 1.0), 'valence': 0.5, 'arousal': 0.25, 'calibrated': True,
        'trained': True, 'bundle_name': 'b', 'bundle_hash': 'h', 'stamp': 12.5}
    return Estimate(**(values | fields))


def chunk(samples: np.ndarray, stamp: float) -> AudioChunk:
    """Return 16 kHz mono audio as a message."""
    message = AudioChunk(sample_rate=16_000, channels=1)
    message.header.stamp = to_time(stamp)
    message.header.frame_id = 'microphone'
    message.samples = samples.astype(np.int16)
    return message


def picture(stamp: float, size: tuple[int, int] = (48, 64)) -> Image:
    """Return a grey image, in which there is no face."""
    height, width = size
    message = Image(encoding='mono8', height=height, width=width, step=width)
    message.header.stamp = to_time(stamp)
    message.header.frame_id = 'camera'
    message.data = bytes([128]) * (height * width)
    return message


def jpeg(stamp: float, data: bytes) -> CompressedImage:
    """Return a JPEG as a message."""
    message = CompressedImage(format='jpeg', data=data)
    message.header.stamp = to_time(stamp)
    message.header.frame_id = 'camera'
    return message


class Patient:
    """Somebody who reads /diagnostics."""

    def __init__(self, node: Node, name: str = 'emotion') -> None:
        self.name = name
        self.received: list[dict[str, DiagnosticStatus]] = []
        node.create_subscription(DiagnosticArray, '/diagnostics', self._take, 10)

    def _take(self, message: DiagnosticArray) -> None:
        statuses = {s.name.removeprefix(f'{self.name}: '): s for s in message.status
                    if s.name.startswith(f'{self.name}: ')}
        if statuses:
            self.received.append(statuses)

    def level(self, name: str) -> int:
        """Return the latest level of one thing; -1 before the first."""
        if not self.received or name not in self.received[-1]:
            return -1
        return self.received[-1][name].level[0]

    def reaches(self, name: str, level: int, timeout_s: float = 15.0) -> bool:
        """Wait until one thing has a level."""
        return eventually(lambda: self.level(name) == level, timeout_s)

    def value(self, name: str, key: str) -> str:
        """Return a value of the latest report."""
        return {v.key: v.value for v in self.received[-1][name].values}[key]

    def message(self, name: str) -> str:
        """Return what the latest report says."""
        return self.received[-1][name].message


def call(rig: Rig, service_type: Any, name: str, **fields: Any) -> Any:
    """Call a service of the node and return the response."""
    client = rig.talker.node.create_client(service_type, f'emotion/{name}')
    assert client.wait_for_service(10.0)
    future = client.call_async(service_type.Request(**fields))
    assert eventually(future.done, 60.0), f'{name} does not answer'
    return future.result()
