"""Labels, matching of estimates to labels, and metrics."""
