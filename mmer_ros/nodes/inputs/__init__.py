"""The node's inputs: each finds the type of its topic, stamps and converts what comes."""
