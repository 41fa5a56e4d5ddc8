"""A stand-in for Amp's command line: same flags, errors and stream, but it does what the prompt spells out.

Runs as `python -I -S program.py …` inside a sandbox: standard library only, nothing from the rest of the bot.
"""

from __future__ import annotations

from pathlib import Path

from .language import LANGUAGE_HELP

PROGRAM = Path(__file__).with_name("program.py")

__all__ = ["LANGUAGE_HELP", "PROGRAM"]
