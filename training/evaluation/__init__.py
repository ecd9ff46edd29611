"""Evaluation of trained models: the paper's tables, robustness, and a page to look at."""
