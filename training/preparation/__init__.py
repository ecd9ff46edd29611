"""Preparation: clips decoded once into a cache of checksummed shards."""
