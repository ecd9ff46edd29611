"""Multimodal emotion recognition for human-robot interaction; see docs/architecture.md."""

__version__ = '0.1.0'
