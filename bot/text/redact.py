"""Takes secrets out of text that leaves: values we know, and shapes we recognise. The last net, not the first."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator

SHAPES = re.compile(
    r"gh[pousr]_[A-Za-z0-9_.\-]{20,}"  # GitHub; installation tokens are now some 520 characters with dots and dashes
    r"|github_pat_[A-Za-z0-9_]{20,}"
    r"|sgamp_[A-Za-z0-9_\-]{8,}"
    r"|e2b_[A-Za-z0-9]{16,}"
    r"|(?<=authToken=)[^\s&\"']+"
    # The end may have been cut off; what stands behind the key must not go with it. No key holds five dashes, and
    # without that a text of many beginnings takes minutes.
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"(?:(?:(?!-----).){0,20000}-----END [A-Z ]*PRIVATE KEY-----|(?:[\s>]*[A-Za-z0-9+/=]{24,})*)",
    re.DOTALL,
)
REDACTED = "[redacted]"


class Redactor:
    """Built once from the settings' secrets. It knows them in hex, base64 and backwards, too."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # Longest first, so that a secret that contains another is taken whole; short ones would eat common words.
        forms = {form for secret in secrets if len(secret) >= 8 for form in _forms(secret)}
        self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, REDACTED)
        return SHAPES.sub(REDACTED, text)

    def leaks(self, content: bytes) -> bool:
        """Does this hold one of the installation's own secrets?"""
        return any(form.encode() in content for form in self._forms)


def _forms(secret: str) -> Iterator[str]:
    raw = secret.encode()
    yield from (secret, secret[::-1], raw.hex(), raw.hex().upper())
    for shift in range(3):  # where it starts in what was encoded; characters shared with its neighbours are left off
        encoded = base64.b64encode(bytes(shift) + raw)[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
        yield encoded.decode()
        yield encoded.translate(bytes.maketrans(b"+/", b"-_")).decode()
