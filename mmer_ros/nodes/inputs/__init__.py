"""Inputs of the nodes: subscriptions, capture times, conversion of messages."""
