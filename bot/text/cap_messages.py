"""The sentences about holds and caps: what ampbot does not start or goes no further with, and who may change that."""

from __future__ import annotations


def on_hold() -> str:
    return "This is on hold by the operator of ampbot. It stays queued, and starts by itself when the operator resumes."
