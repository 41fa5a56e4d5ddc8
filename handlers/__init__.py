"""One small file for each command or trigger."""
