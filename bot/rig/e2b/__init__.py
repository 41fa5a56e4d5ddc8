"""A stand-in for E2B: the control API and envd on one loopback port, for the unmodified SDK."""
