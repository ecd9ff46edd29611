"""The sample recording as a rosbag2 folder, with the truth about it beside the messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import csv
import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from rosbags.typesys.store import Typestore
from tools.sample.render import Scene
from tools.sample.script import Utterance
from tools.sample.speech import SAMPLE_RATE

EPOCH_NS = 1_700_000_000 * 10 ** 9  # capture time of the first sample and the first frame
CHUNK = 1600  # samples in a message, 0.1 s
FPS = 15
WIDTH, HEIGHT = 320, 240
JPEG_QUALITY = 55
IMAGE_TOPIC, AUDIO_TOPIC, TEXT_TOPIC = '/camera/image/compressed', '/audio', '/transcript'
TYPES = {IMAGE_TOPIC: 'sensor_msgs/msg/CompressedImage', AUDIO_TOPIC: 'mmer_msgs/msg/AudioChunk',
         TEXT_TOPIC: 'std_msgs/msg/String'}
LABELS = ('start', 'end', 'speaker', 'emotion', 'text', 'face_visible', 'has_transcript')
MESSAGES_DIR = Path(__file__).parents[2] / 'mmer_msgs' / 'msg'

Row = tuple[int, str, Any]  # time of arrival in ns, topic, message


def typestore() -> Typestore:
    """Know the messages of ROS 2 Jazzy and those of this project that the sample uses."""
    store = get_typestore(Stores.ROS2_JAZZY)
    definition = (MESSAGES_DIR / 'AudioChunk.msg').read_text(encoding='utf-8')
    store.register(get_types_from_msg(definition, TYPES[AUDIO_TOPIC]))
    return store


def _header(store: Typestore, t_ns: int, frame_id: str) -> Any:
    stamp = store.types['builtin_interfaces/msg/Time'](*divmod(t_ns, 10 ** 9))
    return store.types['std_msgs/msg/Header'](stamp, frame_id)


def audio_rows(store: Typestore, sound: NDArray[np.int16],
               rng: np.random.Generator) -> Iterator[Row]:
    """Cut sound into messages that arrive soon after their last sample."""
    for first in range(0, len(sound) - CHUNK + 1, CHUNK):
        t_ns = EPOCH_NS + first * 10 ** 9 // SAMPLE_RATE
        message = store.types[TYPES[AUDIO_TOPIC]](
            _header(store, t_ns, 'microphone'), SAMPLE_RATE, 1, sound[first:first + CHUNK])
        late = CHUNK / SAMPLE_RATE + rng.uniform(.001, .005)
        yield t_ns + round(late * 1e9), AUDIO_TOPIC, message


def image_rows(store: Typestore, scene: Scene, rng: np.random.Generator) -> Iterator[Row]:
    """Film a scene; each frame arrives about 15 ms after its capture."""
    # Baseline, not progressive: at a few kilobytes the headers of more scans cost more.
    settings = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    for index in range(int(scene.duration * FPS)):
        frame = scene.render_frame(index / FPS, WIDTH, HEIGHT)
        done, jpeg = cv2.imencode('.jpg', cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), settings)
        if not done:
            raise RuntimeError('OpenCV could not encode a JPEG image')
        t_ns = EPOCH_NS + index * 10 ** 9 // FPS
        message = store.types[TYPES[IMAGE_TOPIC]](
            _header(store, t_ns, 'camera'), 'jpeg', jpeg.ravel())
        yield t_ns + round((.015 + rng.uniform(.001, .005)) * 1e9), IMAGE_TOPIC, message


def text_rows(store: Typestore, utterances: Sequence[Utterance],
              rng: np.random.Generator) -> Iterator[Row]:
    """Transcribe what is to be transcribed, as a recogniser does that waits for the end."""
    for utterance in utterances:
        late = utterance.end + rng.uniform(.15, .25)
        if utterance.line.has_transcript:
            message = store.types[TYPES[TEXT_TOPIC]](utterance.line.text)
            yield EPOCH_NS + round(late * 1e9), TEXT_TOPIC, message


def _reliable(depth: int) -> Qos:
    # A reliable publisher serves reliable and best-effort subscribers alike.
    forever = QosTime(sec=9223372036, nsec=854775807)
    return Qos(QosHistory.KEEP_LAST, depth, QosReliability.RELIABLE, QosDurability.VOLATILE,
               forever, forever, QosLiveliness.AUTOMATIC, forever, False)


def write_bag(path: Path, sound: NDArray[np.int16], utterances: Sequence[Utterance],
              scene: Scene, seed: int) -> None:
    """
    Record a scene into a new folder that `ros2 bag play` takes.

    :param path: the folder; it must not exist.
    :param sound: (N,) mono PCM at SAMPLE_RATE.
    :param seed: of the times between capture and arrival.
    """
    store = typestore()
    rng = np.random.default_rng([seed, 3])
    rows = [*audio_rows(store, sound, rng), *image_rows(store, scene, rng),
            *text_rows(store, utterances, rng)]
    writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
    # STORAGE is mcap's own compression of chunks, which every player reads by itself; FILE and
    # MESSAGE would need rosbag2's compression plugins.
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    writer.set_custom_data('made_by', 'mmer_ros: python -m tools.make_sample')
    depths = {IMAGE_TOPIC: 10, AUDIO_TOPIC: 50, TEXT_TOPIC: 10}
    with writer:
        connections = {
            topic: writer.add_connection(topic, name, typestore=store,
                                         offered_qos_profiles=[_reliable(depths[topic])])
            for topic, name in TYPES.items()
        }
        for t_ns, topic, message in sorted(rows, key=lambda row: row[0]):
            writer.write(connections[topic], t_ns, store.serialize_cdr(message, TYPES[topic]))


def labels_csv(utterances: Sequence[Utterance]) -> str:
    """Write the truth as CSV: times are seconds on the clock of the messages' stamps."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator='\n')
    table.writerow(LABELS)
    for utterance in utterances:
        line = utterance.line
        start, end = (f'{EPOCH_NS / 1e9 + t:.3f}' for t in (utterance.start, utterance.end))
        table.writerow([start, end, line.speaker, line.emotion, line.text,
                        int(line.face_visible), int(line.has_transcript)])
    return text.getvalue()
