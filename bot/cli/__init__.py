"""The operator's command line: serve, check, runs, demo, rig."""
