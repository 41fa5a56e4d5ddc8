"""What leaves the sandbox is validated here: the archive, its paths, the rules, diffs. Pure."""
