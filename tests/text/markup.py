"""Texts that try to act on GitHub, and a judge of what a comment would do there."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from hypothesis import strategies as st
from markdown_it import MarkdownIt

_LIVE = re.compile(r"(?:^|[^A-Za-z0-9_])@[A-Za-z0-9]|#[0-9]|(?:^|[^A-Za-z0-9_])GH-[0-9]", re.IGNORECASE)
_TAGS = re.compile("p|br|hr|h[1-6]|[uo]l|li|blockquote|em|strong|s|a|code|pre|table|thead|tbody|t[rhd]")
GITHUB = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

# fmt: off
PIECES = [
    "`", "``", "```", "~~~", "````", "\n", "\n\n", "\t", " ", "    ", ">", "- ", "* ", "+ ", "1. ", "9. ", "|",
    "# ", "---", "===", "\n|-|\n", "\n- [ ] \n", "\n   ```\n", "```py", "@v", "#1", "GH-1", "&commat;v", "x",
    "_", "**", "~~", "$", "\\", "\\`", "\\|", "<div>", "</p>", "<!--", "-->", '<b a="`">', "<", "[", "]", "](",
    "\n/merge", "/approve cancel\n", "[skip ci]", "skip-checks: true\n", "***NO_CI***", "/usr/bin",
    "]:", "[^1]", "![", "!", "https://x.y/", "www.x", "://", "fixes ", "/amp ", "\r", "\u2028", "é",
]
# fmt: on
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=24).map("".join)


class Reader(HTMLParser):
    """Looks at a rendered page as GitHub does: at tags, and at text that is in no code and no link."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = 0
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.look()
        self._inside += tag in ("code", "a")
        if not _TAGS.fullmatch(tag):
            self.found.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.look()
        self._inside -= tag in ("code", "a")

    def handle_comment(self, data: str) -> None:
        self.found.append(data)

    def handle_data(self, data: str) -> None:
        self._text += data

    def look(self) -> None:
        if not self._inside:
            self.found += _LIVE.findall(self._text)
        self._text = ""


def alive(markdown: str) -> list[str]:
    reader = Reader()
    reader.feed(GITHUB.render(markdown))
    reader.close()
    reader.look()
    return reader.found
