"""Corpora read into examples: MELD as published, GoEmotions, manifests."""
