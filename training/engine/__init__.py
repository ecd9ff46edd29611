"""The training loop of all stages: settings, batches, losses, checkpoints, run folders."""
