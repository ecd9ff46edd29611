"""Checks of fusion on real pairs: voice and face of one moment, and what people make of both."""
