"""Checks of the fusion on real pairs: human votes of CREMA-D, voice and face of RAVDESS."""
