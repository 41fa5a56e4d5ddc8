"""Everything about E2B: sandboxes, the commands and files in them, and the shell scripts that run there."""
