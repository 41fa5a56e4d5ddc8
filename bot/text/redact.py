"""Replaces secrets in text before it leaves ampbot: our own values, and what looks like a known kind of key."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator

SHAPES = re.compile(
    r"gh[pousr]_[A-Za-z0-9_.\-]{20,}"  # GitHub; an installation token can have 520 characters, with dots and dashes
    r"|github_pat_[A-Za-z0-9_]{20,}"
    r"|sgamp_[A-Za-z0-9_\-]{8,}"
    r"|e2b_[A-Za-z0-9]{16,}"
    r"|(?<=authToken=)[^\s&\"']+"
    # The end of the key may be cut off; then do not redact the text after the key. No key contains five dashes; without
    # that rule a text with many BEGIN lines takes minutes.
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"(?:(?:(?!-----).){0,20000}-----END [A-Z ]*PRIVATE KEY-----|(?:[\s>]*[A-Za-z0-9+/=]{24,})*)",
    re.DOTALL,
)
REDACTED = "[redacted]"
WINDOW = 1_000_000  # bytes searched at once: no other thread runs meanwhile


class Redactor:
    """Built once from the settings' secrets. It also finds them in hex, in base64 and reversed."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # Longest first, so that a secret that contains another is redacted whole. Short ones could be common words.
        forms = {form for secret in secrets if len(secret) >= 8 for form in _forms(secret)}
        self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, REDACTED)
        return SHAPES.sub(REDACTED, text)

    def leaks(self, content: bytes) -> bool:
        """Whether the content contains one of our own secrets."""
        forms = [form.encode() for form in self._forms]
        overlap = max(map(len, forms), default=0)
        windows = (content[at : at + WINDOW + overlap] for at in range(0, len(content), WINDOW))
        return any(form in window for window in windows for form in forms)


def _forms(secret: str) -> Iterator[str]:
    raw = secret.encode()
    yield from (secret, secret[::-1], raw.hex(), raw.hex().upper())
    for shift in range(3):  # its position in the encoded text modulo 3, without characters that its neighbours change
        encoded = base64.b64encode(bytes(shift) + raw)[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
        yield encoded.decode()
        yield encoded.translate(bytes.maketrans(b"+/", b"-_")).decode()
