"""stub"""

from __future__ import annotations


class Pages:
    def __init__(self, world): ...
    def routes(self):
        return []
