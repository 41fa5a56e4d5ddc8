"""Markdown as the pages show it: a few harmless HTML tags are kept, all other HTML is shown as text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape

_TAGS = "details|summary|sub|sup|br|kbd|b|i|em|strong|del|code|pre|p|hr|table|thead|tbody|tr|td|th|ul|ol|li"
_HARMLESS = re.compile(rf"</?(?:{_TAGS})\s*/?>|<details open>", re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def render(text: str | None) -> Markup:
    """The HTML of a body. All but a few harmless tags are escaped, so nothing in it can run."""
    return Markup(_MARKDOWN.render(text or ""))


def _html(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """HTML comments are omitted, as on GitHub."""
    raw = _COMMENT.sub("", tokens[index].content)
    pieces, end = [], 0
    for match in _HARMLESS.finditer(raw):
        pieces += [str(escape(raw[end : match.start()])), match[0]]
        end = match.end()
    return "".join([*pieces, str(escape(raw[end:]))])


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """The alternative text instead of the image: pages load nothing from other servers."""
    return f"<em>[{escape(tokens[index].content or 'image')}]</em>"


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": True, "breaks": True}).enable(["table", "strikethrough"])
    for name, rule in (("html_block", _html), ("html_inline", _html), ("image", _image)):
        markdown.add_render_rule(name, rule)
    return markdown


_MARKDOWN = _markdown()
