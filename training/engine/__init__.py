"""One loop for all stages: settings, batches, losses, checkpoints, run folder, progress."""
