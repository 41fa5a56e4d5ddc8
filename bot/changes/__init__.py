"""Validates what leaves the sandbox: the archive, its paths, the rules for changes. Also parses diffs. No I/O."""
