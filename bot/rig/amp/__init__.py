"""A stand-in for the Amp command line: the same flags, errors and stream. It executes the instructions in the prompt.

Runs as `python -I -S program.py …` inside a sandbox, so it imports only the standard library. The server that keeps its
threads (`server.py`) runs outside.
"""
