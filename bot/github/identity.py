"""Who the App is on GitHub, and so which comments and reviews are its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """The App as GitHub describes it."""

    id: int
    slug: str
    permissions: Mapping[str, str]
    events: tuple[str, ...]

    @property
    def login(self) -> str:
        """The login of the account that writes its comments."""
        return f"{self.slug}[bot]"

    def wrote(self, login: str, kind: str, via_app: int | None) -> bool:
        """Whether the author of a text is this App itself.

        `kind`: the account's type. `via_app`: the id of the App through which the text was written, None if GitHub
        names none, as for reviews. What a person writes through this App is the person's.
        """
        return login == self.login and kind == "Bot" and via_app in (None, self.id)
