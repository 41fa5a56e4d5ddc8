"""Takes secrets out of text that leaves: values we know, and shapes we recognise. The last net, not the first."""

from __future__ import annotations

import re
from collections.abc import Iterable

SHAPES = re.compile(
    r"gh[pousr]_[A-Za-z0-9_.\-]{20,}"  # GitHub; installation tokens are now some 520 characters with dots and dashes
    r"|github_pat_[A-Za-z0-9_]{20,}"
    r"|sgamp_[A-Za-z0-9_\-]{8,}"
    r"|e2b_[A-Za-z0-9]{16,}"
    r"|(?<=authToken=)[^\s&\"']+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
REDACTED = "[redacted]"


class Redactor:
    """Built once from the settings' secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # Longest first, so that a secret that contains another is taken whole; short ones would eat common words.
        self._secrets = sorted({secret for secret in secrets if len(secret) >= 8}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return SHAPES.sub(REDACTED, text)

    def leaks(self, content: bytes) -> bool:
        """Does this hold one of the installation's own secrets?"""
        return any(secret.encode() in content for secret in self._secrets)
