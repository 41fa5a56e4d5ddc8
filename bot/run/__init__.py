"""A run: prepare, work, collect, publish or review, report.

Each stage is safe to repeat: the process may be killed at any point, and another one runs the stage again.
"""
