"""Fusion: cached features, training, calibration, bundles."""
