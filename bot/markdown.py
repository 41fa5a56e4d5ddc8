"""Makes other people's text safe to show in a comment: no mentions, references, commands or markup of its own."""

from __future__ import annotations

import re

# GitHub refuses bodies over 65,536 characters.
MOST = 60_000

_CODE = re.compile(
    r"(^ {0,3}(?P<fence>`{3,}|~{3,}).*?(?:^ {0,3}(?P=fence)[`~]*\s*$|\Z)|`+[^`\n]+`+)", re.MULTILINE | re.DOTALL
)
_MENTION = re.compile(r"(?<![\w`])@(?=[A-Za-z0-9])")
_REFERENCE = re.compile(r"(?<![\w&])(#|GH-)(?=\d)", re.IGNORECASE)
_CLOSES_ADDRESS = re.compile(r"\b(close[sd]?|fix(?:e[sd])?|resolve[sd]?)(:?\s+)(https?://\S+)", re.IGNORECASE)
_COMMAND = re.compile(r"^(\s*)/(?=[A-Za-z])", re.MULTILINE)
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_IMAGE = re.compile(r"!\[")
_JOINER = "\u2060"  # WORD JOINER: invisible, and it ends what GitHub takes for a mention or a reference


def defuse(text: str, most: int = MOST) -> str:
    """`text` with everything that would act on GitHub taken apart, code left as it is, cut to `most` characters."""
    cut = text if len(text) <= most else f"{text[:most].rstrip()}\n\n… (cut: {len(text):,} characters in all)"
    if cut.count("```") % 2:
        cut += "\n```"
    pieces, last = [], 0
    for code in _CODE.finditer(cut):
        pieces += [_prose(cut[last : code.start()]), code.group(0)]
        last = code.end()
    return "".join([*pieces, _prose(cut[last:])])


def _prose(text: str) -> str:
    text = _TAG.sub("&lt;", text)
    text = _IMAGE.sub(r"!\\[", text)
    text = _CLOSES_ADDRESS.sub(r"\1\2`\3`", text)
    text = _MENTION.sub(f"@{_JOINER}", text)
    text = _REFERENCE.sub(rf"\1{_JOINER}", text)
    return _COMMAND.sub(r"\1\\/", text)


def line(text: str, most: int = 200) -> str:
    """One line of plain text: for titles and table cells."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    flat = flat if len(flat) <= most else flat[: most - 1].rstrip() + "…"
    return _prose(flat).replace("|", "\\|")


def code(text: str) -> str:
    """Inline code that no text can leave."""
    flat = "".join(c if c.isprintable() else "�" for c in text)
    ticks = "`" * (max((len(run) for run in re.findall("`+", flat)), default=0) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") or not flat else ""
    return f"{ticks}{pad}{flat}{pad}{ticks}"


def quote(text: str, most: int = 600) -> str:
    """A block quote of somebody's words."""
    cut = text if len(text) <= most else text[:most].rstrip() + " …"
    return "\n".join(f"> {row}".rstrip() for row in defuse(cut).splitlines())
