"""The starter bundle: compact encoders of real data, a fusion of compositions, checks, card."""
