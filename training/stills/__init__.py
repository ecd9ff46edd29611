"""Stage `train face` on single labelled pictures instead of clips."""
