"""The `mmer` command, one subcommand a file."""
