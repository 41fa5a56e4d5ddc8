"""The prompt's sections of context: who said what, where, within limits. Their end is not to be forged: it has a nonce.

The newest come first, and so they are what is told where there is too much.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.agent.discussion import Comment, Discussion, Referenced, Review, Thread, Writer
from bot.agent.readable import readable

# Limits in characters: with the request, all of it fits easily into a model's context.
MAX_BODY = 20_000
MAX_COMMENT = 8_000
MAX_THREAD = 20_000
MAX_DISCUSSION = 60_000
MAX_REFERENCED = 4_000  # of each
MAX_HUNK = 3_000
MAX_TITLE = 500

MORE = "Older parts of this conversation are left out: it is longer than what is given to you here."
_MORE_IN_THREAD = "[… older comments of this thread left out]"


def section(name: str, text: str, **attributes: str | None) -> str:
    """An element of the prompt. Attributes that are None are left out; `kind` comes first."""
    told = "".join(
        f' {key.replace("_", "-")}="{attribute(each)}"' for key, each in attributes.items() if each is not None
    )
    return f"<{name}{told}>\n{text}\n</{name}>"


def attribute(text: str) -> str:
    return "".join(character for character in text if character.isprintable() and character not in '<>"')[:200]


def subject(kind: str, author: str, title: str, body: str, nonce: str) -> str:
    """The issue or pull request itself."""
    text = f"{cut(readable(title), MAX_TITLE)}\n\n{cut(readable(body), MAX_BODY)}"
    return section(f"context-{nonce}", text, kind=kind, author=author)


def discussed(discussion: Discussion, nonce: str) -> Iterator[str]:
    """The sections of a discussion: the thread of the request, then the rest, the newest first; then references."""
    asked = [thread for thread in discussion.threads if thread.asked_here]
    rest: list[Comment | Review | Thread] = [*discussion.comments, *discussion.reviews]
    rest += [thread for thread in discussion.threads if not thread.asked_here]
    rest.sort(key=lambda each: each.at)
    rest.reverse()  # with the last first also where times are the same
    left, whole = MAX_DISCUSSION, not discussion.more
    for each in [*asked, *rest]:
        told = _told(each, nonce)
        left -= len(told)
        if left < 0:
            whole = False
            break
        yield told
    if not whole:
        yield MORE
    for referenced in discussion.referenced:
        yield _referenced(referenced, nonce)


def cut(text: str, max_chars: int) -> str:
    return (
        text if len(text) <= max_chars else f"{text[:max_chars]}\n[… {len(text) - max_chars} more characters left out]"
    )


def _told(each: Comment | Review | Thread, nonce: str) -> str:
    if isinstance(each, Thread):
        return _thread(each, nonce)
    text = cut(readable(each.body), MAX_COMMENT).strip("\n")
    name, role = f"context-{nonce}", _role(each.by)
    if isinstance(each, Review):
        return section(name, text, kind="review", author=each.author, role=role, state=each.state, at=each.at)
    return section(name, text, kind="comment", author=each.author, role=role, at=each.at)


def _thread(thread: Thread, nonce: str) -> str:
    line = thread.original_line if thread.outdated else thread.line
    lines = None if line is None else str(line) if thread.first_line is None else f"{thread.first_line}-{line}"
    return section(
        f"context-{nonce}",
        "\n".join(_in_thread(thread, nonce)),
        kind="review thread",
        file=thread.path,
        line=None if thread.outdated else lines,
        original_line=lines if thread.outdated else None,
        side="old file" if thread.old_side else None,
        outdated="yes" if thread.outdated else None,
        resolved="no" if thread.resolved_by is None else "yes",
        resolved_by=thread.resolved_by,
        request="the request below was made in this thread" if thread.asked_here else None,
    )


def _in_thread(thread: Thread, nonce: str) -> Iterator[str]:
    if thread.hunk:
        yield section(f"hunk-{nonce}", _end_of_hunk(thread.hunk))
    told = [
        section(
            f"comment-{nonce}",
            cut(readable(comment.body), MAX_COMMENT).strip("\n"),
            author=comment.author,
            role=_role(comment.by),
            at=comment.at,
        )
        for comment in thread.comments
    ]
    first, newest = told[:1], _newest(told[1:], MAX_THREAD - sum(map(len, told[:1])))
    yield from first
    if thread.more or len(newest) < len(told) - len(first):
        yield _MORE_IN_THREAD
    yield from newest


def _newest(told: Sequence[str], limit: int) -> Sequence[str]:
    """The last ones that fit into the limit."""
    for start in range(len(told), 0, -1):
        limit -= len(told[start - 1])
        if limit < 0:
            return told[start:]
    return told


def _end_of_hunk(hunk: str) -> str:
    """The end of a hunk, which is the line that was commented on, with the hunk's head."""
    if len(hunk) <= MAX_HUNK:
        return hunk
    head, _, lines = hunk.partition("\n")
    _, _, whole = lines[-MAX_HUNK:].partition("\n")
    return f"{cut(head, 200)}\n[… lines left out]\n{whole or lines[-MAX_HUNK:]}"


def _referenced(found: Referenced, nonce: str) -> str:
    text = f"{cut(readable(found.title), MAX_TITLE)}\n\n{cut(readable(found.body), MAX_REFERENCED)}"
    kind = f"{found.kind} #{found.number}, which the text refers to"
    return section(f"context-{nonce}", text, kind=kind, author=found.author, state=found.state)


def _role(writer: Writer) -> str | None:
    """None: a person."""
    return {Writer.PERSON: None, Writer.BOT: "bot", Writer.AMPBOT: "ampbot"}[writer]
