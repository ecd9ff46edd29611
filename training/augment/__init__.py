"""What happens to signals and words between the world and the network, imitated in training."""
