"""Developer tools, run from the checkout as `python -m tools.NAME`; never installed."""
