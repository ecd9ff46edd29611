"""The torch modules and their configurations; nothing else."""
