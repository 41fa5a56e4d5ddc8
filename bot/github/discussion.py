"""The part of the query about an issue or pull request that reads what was said there, and what it refers to.

GitHub shows them as they are now. A request means what it meant when it was made, so what others wrote, published or
edited later is left out. Who may edit ampbot's own comments has write access.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from bot.agent.discussion import Comment, Discussion, Referenced, Review, Thread, Writer
from bot.model import CommentKind, CommentRef, RunRequest
from bot.text.markers import is_of_a_run

# With these, a query asks for 2,000 of the 500,000 nodes that GitHub allows:
# https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api#node-limit
_TEXT = "fullDatabaseId body createdAt lastEditedAt isMinimized viewerDidAuthor author { login __typename }"
_LINE = f"{_TEXT} pullRequestReview {{ submittedAt }}"
_RENAMED = (
    "timelineItems(itemTypes: [RENAMED_TITLE_EVENT], last: 1) { nodes { ... on RenamedTitleEvent { createdAt } } }"
)

# The fields of an issue or pull request.
COMMENTS = f"comments(last: 60) {{ totalCount nodes {{ {_TEXT} }} }}"
# Those of a pull request.
THREADS = f"""{{ totalCount pageInfo {{ startCursor hasPreviousPage }} nodes {{
          path line startLine originalLine originalStartLine diffSide isOutdated isResolved resolvedBy {{ login }}
          opening: comments(first: 1) {{ nodes {{ {_LINE} diffHunk }} }}
          comments(last: 30) {{ totalCount nodes {{ {_LINE} }} }}
        }} }}"""
REVIEWS = f"""\
reviews(last: 60) {{ totalCount nodes {{ {_TEXT} state submittedAt }} }}
        reviewThreads(last: 60) {THREADS}"""


def reference_field(name: str, number: int) -> str:
    """Of a repository: the field that reads an issue or pull request, under a name of its own."""
    text = f"title body createdAt lastEditedAt author {{ login }} {_RENAMED}"
    return (
        f"{name}: issueOrPullRequest(number: {number}) {{"
        f" __typename ... on Issue {{ {text} issueState: state }} ... on PullRequest {{ {text} pullState: state }} }}"
    )


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class _Author(_Camel):
    login: str
    typename: str = Field("", alias="__typename")


class _Text(_Camel):
    full_database_id: int | None = None  # not databaseId: it is null for ids over 32 bits
    body: str
    created_at: datetime
    last_edited_at: datetime | None = None
    is_minimized: bool = False
    viewer_did_author: bool = False
    author: _Author | None = None

    @property
    def login(self) -> str:
        return self.author.login if self.author else ""

    @property
    def writer(self) -> Writer:
        if self.viewer_did_author:
            return Writer.AMPBOT
        # An account of an unknown kind counts as a bot.
        return Writer.PERSON if self.author is None or self.author.typename == "User" else Writer.BOT

    @property
    def shown_at(self) -> datetime | None:
        """When others could first read it; None: they cannot."""
        return self.created_at


class _Review(_Text):
    state: str = ""
    submitted_at: datetime | None = None

    @property
    def shown_at(self) -> datetime | None:
        return self.submitted_at


class _Submission(_Camel):
    submitted_at: datetime | None = None


class _LineComment(_Text):
    pull_request_review: _Submission | None = None
    diff_hunk: str = ""

    @property
    def shown_at(self) -> datetime | None:
        # It may have been drafted long before its review was submitted.
        review = self.pull_request_review
        return self.created_at if review is None else review.submitted_at and max(self.created_at, review.submitted_at)


class _Comments(_Camel):
    total_count: int = 0
    nodes: list[_Text | None] = []


class _Reviews(_Camel):
    total_count: int = 0
    nodes: list[_Review | None] = []


class _LineComments(_Camel):
    total_count: int = 0
    nodes: list[_LineComment | None] = []


class AThread(_Camel):
    path: str
    line: int | None = None
    start_line: int | None = None
    original_line: int | None = None
    original_start_line: int | None = None
    diff_side: str = "RIGHT"
    is_outdated: bool = False
    is_resolved: bool = False
    resolved_by: _Author | None = None
    opening: _LineComments = _LineComments()
    comments: _LineComments = _LineComments()

    def all(self) -> list[_LineComment]:
        """Its first comment and its newest ones."""
        newest = [each for each in self.comments.nodes if each is not None]
        known = {each.full_database_id for each in newest}
        return [e for e in self.opening.nodes if e is not None and e.full_database_id not in known] + newest


class _Page(_Camel):
    start_cursor: str | None = None
    has_previous_page: bool = False


class Threads(_Camel):
    total_count: int = 0
    page_info: _Page = _Page()
    nodes: list[AThread | None] = []

    def having(self, comment: int) -> AThread | None:
        """The thread in which the comment with this id stands."""
        return next((each for each in self.nodes if each and comment in (c.full_database_id for c in each.all())), None)


class _Event(_Camel):
    created_at: datetime


class _Events(_Camel):
    nodes: list[_Event | None] = []


class Reference(_Camel):
    """Another issue or pull request, in GitHub's answer."""

    typename: str = Field(alias="__typename")
    title: str
    body: str
    created_at: datetime
    last_edited_at: datetime | None = None
    author: _Author | None = None
    issue_state: str = ""
    pull_state: str = ""
    timeline_items: _Events = _Events()

    @property
    def changed_at(self) -> datetime:
        """When its title and text became what they are."""
        renamed = (event.created_at for event in self.timeline_items.nodes if event is not None)
        return max(self.created_at, self.last_edited_at or self.created_at, *renamed)


class Said(_Camel):
    """What was said in an issue or pull request, in GitHub's answer."""

    comments: _Comments = _Comments()
    reviews: _Reviews | None = None
    review_threads: Threads = Threads()


def discussion(
    said: Said, references: Mapping[int, Reference], request: RunRequest, asked_in: AThread | None = None
) -> Discussion:
    """What there was to read when the request was made, without the request itself.

    `asked_in`: the thread of the request, where it is not one of the newest.
    """
    threads = [thread for thread in (asked_in, *said.review_threads.nodes) if thread is not None]
    reviews = said.reviews or _Reviews()
    reader = _Reader(request, _cutoff(request, threads))
    return Discussion(
        comments=tuple(
            _comment(each)
            for each in said.comments.nodes
            # What other bots write here is mostly long, and about nothing that was asked.
            if each is not None and each.writer is not Writer.BOT and reader.sees(each, CommentKind.ISSUE)
        ),
        reviews=tuple(
            _review(each)
            for each in reviews.nodes
            if each is not None
            and reader.sees(each, CommentKind.REVIEW)
            and (each.body or each.state != "COMMENTED")  # else it only holds line comments together
        ),
        threads=tuple(found for thread in threads if (found := reader.thread(thread)) is not None),
        referenced=tuple(
            _referenced(number, each) for number, each in references.items() if each.changed_at <= reader.cutoff
        ),
        more=any(each.total_count > len(each.nodes) for each in (said.comments, reviews, said.review_threads)),
    )


def _cutoff(request: RunRequest, threads: Iterable[AThread]) -> datetime:
    """The time of the request. That of a line comment, as it is sent to us, is when the comment was drafted; it became
    a request when its review was submitted.
    """
    cutoff = datetime.fromisoformat(request.at)
    if request.trigger.kind is not CommentKind.LINE:
        return cutoff
    lines = (each for thread in threads for each in thread.all())
    shown = next((each.shown_at for each in lines if each.full_database_id == request.trigger.comment), None)
    return max(cutoff, shown or cutoff)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Who reads at the time of a request."""

    request: RunRequest
    cutoff: datetime

    def sees(self, text: _Text, kind: CommentKind) -> bool:
        if text.shown_at is None or text.is_minimized or self._is_request(text, kind):
            return False
        if text.viewer_did_author:
            # Of our comments, those of runs; the one of this run is never older than its request. An earlier run may
            # have ended later. Only people with write access can edit them too.
            ours = kind is CommentKind.LINE or is_of_a_run(text.body)
            return ours and text.shown_at < self.cutoff
        return max(text.shown_at, text.last_edited_at or text.shown_at) <= self.cutoff

    def thread(self, thread: AThread) -> Thread | None:
        every = thread.all()
        asked_here = any(self._is_request(each, CommentKind.LINE) for each in every)
        comments = tuple(_comment(each) for each in every if self.sees(each, CommentKind.LINE))
        if not comments and not asked_here:
            return None
        return Thread(
            path=thread.path,
            line=thread.line,
            original_line=thread.original_line,
            old_side=thread.diff_side == "LEFT",
            outdated=thread.is_outdated,
            resolved_by=(thread.resolved_by.login if thread.resolved_by else "") if thread.is_resolved else None,
            hunk=next((each.diff_hunk for each in thread.opening.nodes if each is not None), ""),
            comments=comments,
            first_line=thread.original_start_line if thread.is_outdated else thread.start_line,
            more=thread.comments.total_count > len(every),
            asked_here=asked_here,
        )

    def _is_request(self, text: _Text, kind: CommentKind) -> bool:
        return self.request.trigger == CommentRef(kind, text.full_database_id or 0)


def _comment(text: _Text) -> Comment:
    return Comment(text.login, text.shown_at.isoformat() if text.shown_at else "", text.body, text.writer)


def _review(review: _Review) -> Review:
    state = review.state.lower().replace("_", " ")
    return Review(review.login, _comment(review).at, review.body, state, review.writer)


def _referenced(number: int, found: Reference) -> Referenced:
    return Referenced(
        number=number,
        kind="pull request" if found.typename == "PullRequest" else "issue",
        state=(found.pull_state or found.issue_state).lower(),
        title=found.title,
        author=found.author.login if found.author else "",
        body=found.body,
    )
