"""A fake Amp command line: same flags, errors and stream, but it does what the prompt spells out.

Runs as `python -I -S program.py …` inside a sandbox: standard library only, nothing from the rest of the bot.
"""
