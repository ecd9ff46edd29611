"""Stage `train face`: on clips, or on single labelled images."""
