"""Health of a node: measurements, checks, and reports on /diagnostics."""
