"""Markdown as the pages show it: a short list of harmless HTML passes, all other HTML is shown as text."""

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
    """HTML of a body; nothing in it can run, since all but a short list of tags is escaped."""
    return Markup(_MARKDOWN.render(text or ""))


def _html(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """GitHub leaves comments out; so do we."""
    raw = _COMMENT.sub("", tokens[index].content)
    pieces, end = [], 0
    for match in _HARMLESS.finditer(raw):
        pieces += [str(escape(raw[end : match.start()])), match[0]]
        end = match.end()
    return "".join([*pieces, str(escape(raw[end:]))])


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """Nothing is loaded from elsewhere: the image's text stands for it."""
    return f"<em>[{escape(tokens[index].content or 'image')}]</em>"


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": True, "breaks": True}).enable(["table", "strikethrough"])
    for name, rule in (("html_block", _html), ("html_inline", _html), ("image", _image)):
        markdown.add_render_rule(name, rule)
    return markdown


_MARKDOWN = _markdown()
