"""The command line: click and rich are used here and nowhere else."""
