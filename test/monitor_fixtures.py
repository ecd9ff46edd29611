"""States of a graph as the monitor sees them, and what they look like."""

from __future__ import annotations

from typing import Any

from mmer_ros.monitor.state import Graph, Health, MonitorState
from mmer_ros.monitor.view import MonitorView
from mmer_ros.types import EMOTIONS
from rich.console import Console

NOW = 1000.0  # seconds of the monitor's clock
ACTIVE = Graph('active', ('/emotion',), others=3)


def row(person: str = 'Anna', label: str = 'sadness', confidence: float = 0.61,
        **changes: Any) -> dict[str, Any]:
    """Return an estimate as watch.to_row makes it."""
    probabilities = dict.fromkeys(EMOTIONS, (1 - confidence) / 6) | {label: confidence}
    return {'utterance_id': 'u1', 'person_id': person, 'face_id': 'f1', 'voice_id': '',
            'final': True, 'revision': 0, 'label': label, 'confidence': confidence,
            'calibrated': True, 'trained': True, 'valence': -0.42, 'arousal': 0.13,
            'probabilities': probabilities, 'modalities': ['text', 'audio'],
            'modality_weights': {'text': 0.25, 'audio': 0.75, 'face': 0.0}, 'transcript': '',
            'bundle_name': 'meld', 'bundle_hash': '1a2b3c4d5e6f', **changes}


def status(name: str, level: int = 0, message: str = 'good', at: float = NOW,
           **values: str) -> Health:
    """Return one status of /diagnostics."""
    return Health(name, level, message, tuple(values.items()), at)


def state(*rows: dict[str, Any], graph: Graph = ACTIVE, age: float = 0.0) -> MonitorState:
    """Return a state after these estimates arrived `age` seconds ago."""
    made = MonitorState('/emotion', '/emotion', graph=graph)
    for one in rows:
        made.add_estimate(one, NOW - age)
    return made


def screen(shown: MonitorState, width: int = 80, height: int | None = 24, *, now: float = NOW,
           **kwargs: Any) -> list[str]:
    """Return the lines of a terminal of this size, without colours."""
    console = Console(width=width, color_system=None, force_terminal=True, **kwargs)
    with console.capture() as capture:
        console.print(MonitorView(shown, now), height=height)
    return capture.get().splitlines()


def find(lines: list[str], text: str) -> str:
    """Return the first line with a text."""
    return next((line for line in lines if text in line), '')
