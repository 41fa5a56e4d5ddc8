"""Amp seen from outside, as data: its command line, its stream, how a run went, what the answer holds."""
