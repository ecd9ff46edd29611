"""The longer commands of `mmer`, one a file."""
