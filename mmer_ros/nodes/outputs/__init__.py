"""Outputs of the nodes: estimates, expressions, the debug image."""
