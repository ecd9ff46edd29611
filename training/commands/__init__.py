"""What `python -m training` offers, one module a command."""
