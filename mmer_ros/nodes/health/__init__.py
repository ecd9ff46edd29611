"""What the node says of itself on /diagnostics."""
