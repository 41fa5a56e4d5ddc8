"""The state as plain data, equal for equal states.

It leaves out what differs between equal runs: ids, times, tokens, delivery GUIDs and the log of deliveries. Commits are
named by their tree, parents and message, since a sha depends on the time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from bot.rig.github.git import Bare
from bot.rig.github.records import Actor, CheckRun, Comment, Issue, Pull, Reaction, Repository, Review, ReviewComment
from bot.rig.github.state import State

Plain = dict[str, Any]


def snapshot(state: State) -> Plain:
    """JSON-serializable. Repositories are identified by their names."""
    with state.lock:
        return {
            "repositories": {
                repo.full_name: of_repository(repo, Commits(repo))
                for repo in sorted(state.repositories.values(), key=lambda repo: repo.full_name)
            },
            "installations": [
                {
                    "app": each.app.slug,
                    "account": each.account.login,
                    "repositories": sorted(state.repositories[number].full_name for number in each.repositories),
                    "suspended": each.suspended_at is not None,
                    "removed": each.removed,
                }
                for each in state.installations.values()
            ],
        }


def of_repository(repo: Repository, commits: Commits) -> Plain:
    """One repository; `commits` names its commits."""
    return {
        "private": repo.private,
        "archived": repo.archived,
        "default_branch": repo.default_branch,
        "refs": {name: commits.ref(oid) for name, oid in sorted(repo.bare.refs().items())},
        "labels": sorted(label.name for label in repo.labels.values()),
        "issues": [_issue(issue, commits) for _, issue in sorted(repo.issues.items())],
        "check_runs": [_check_run(run, commits) for run in repo.check_runs.values()],
    }


class Commits:
    """Names commits by a digest of tree, parents' names and message.

    `said` removes from a message what differs between equal runs.
    """

    def __init__(self, repo: Repository, said: Callable[[str], str] = str) -> None:
        self._repo = repo
        self._said = said
        self._names: dict[str, str] = {}

    def ref(self, oid: str) -> Plain:
        bare = self._repo.bare
        if bare.kind(oid) != "commit":
            return {"object": oid}
        commit = bare.commit(oid)
        return {
            "commit": self.name(oid),
            "tree": commit.tree,
            "parents": [self.name(parent) for parent in commit.parents],
            "message": commit.message,
            "author": f"{commit.author.name} <{commit.author.email}>",
            "verified": oid in self._repo.verified,
        }

    def name(self, oid: str) -> str:
        if oid not in self._names:
            self._name_all(self._repo.bare, oid)
        return self._names[oid]

    def _name_all(self, bare: Bare, oid: str) -> None:
        """Name a commit and its ancestors, parents first. The first commits keep their sha, equal in every run."""
        new = bare.log(oid, *(f"^{tip}" for tip in self._repo.first_tips))
        for each in new:
            commit = bare.commit(each)
            known = [self._names.get(parent, parent) for parent in commit.parents]
            said = "\0".join([commit.tree, *known, self._said(commit.message)])
            self._names[each] = hashlib.sha1(said.encode(), usedforsecurity=False).hexdigest()
        self._names.setdefault(oid, oid)


def _issue(issue: Issue, commits: Commits) -> Plain:
    plain: Plain = {
        "number": issue.number,
        "author": _by(issue.author),
        "title": issue.title,
        "body": issue.body,
        "state": issue.state,
        "labels": sorted(label.name for label in issue.labels),
        "assignees": sorted(account.login for account in issue.assignees),
        "reactions": _reactions(issue.reactions),
        "comments": [_comment(comment) for comment in issue.comments.values()],
        "events": [
            {"event": event.event, "actor": _by(event.actor), "label": event.label.name if event.label else None}
            for event in issue.events
        ],
    }
    if issue.pull is not None:
        plain["pull"] = _pull(issue.pull, commits)
    return plain


def _comment(comment: Comment) -> Plain:
    return {
        "author": _by(comment.author),
        "body": comment.body,
        "minimized": comment.minimized,
        "reactions": _reactions(comment.reactions),
    }


def _pull(pull: Pull, commits: Commits) -> Plain:
    return {
        "head": f"{pull.head_repository.full_name if pull.head_repository else None}:{pull.head_ref}",
        "head_commit": commits.name(pull.head_sha),
        "base": pull.base_ref,
        "base_commit": commits.name(pull.base_sha),
        "draft": pull.draft,
        "merged": pull.merged_at is not None,
        "reviewers": sorted(account.login for account in pull.reviewers),
        "teams": sorted(team.slug for team in pull.teams),
        "reviews": [_review(review, commits) for review in pull.reviews.values()],
    }


def _review(review: Review, commits: Commits) -> Plain:
    return {
        "author": _by(review.author),
        "state": review.state,
        "body": review.body,
        "commit": commits.name(review.commit),
        "comments": [_review_comment(each) for each in review.pull.comments.values() if each.review is review],
    }


def _review_comment(comment: ReviewComment) -> Plain:
    return {
        "author": _by(comment.author),
        "body": comment.body,
        "path": comment.path,
        "line": comment.line,
        "side": comment.side,
        "start_line": comment.start_line,
        "reply": comment.reply_to is not None,
        "resolved": comment.id in comment.pull.resolved,
        "reactions": _reactions(comment.reactions),
    }


def _check_run(run: CheckRun, commits: Commits) -> Plain:
    return {
        "app": run.app.slug,
        "name": run.name,
        "commit": commits.name(run.head_sha),
        "status": run.status,
        "conclusion": run.conclusion,
        "title": run.title,
        "summary": run.summary,
    }


def _reactions(reactions: Iterable[Reaction]) -> list[str]:
    return sorted(f"{reaction.content} {reaction.account.login}" for reaction in reactions)


def _by(actor: Actor) -> str:
    return actor.account.login
