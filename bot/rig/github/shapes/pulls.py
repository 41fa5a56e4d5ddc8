"""JSON of pull requests, reviews, review comments and check runs."""

from __future__ import annotations

from bot.rig.github.diff import FileChange
from bot.rig.github.records import CheckRun, Pull, Repository, Review, ReviewComment
from bot.rig.github.shapes import Json, moment, moment_or_none
from bot.rig.github.shapes.accounts import app, team, user, user_or_none
from bot.rig.github.shapes.issues import association, label, page_of, rollup
from bot.rig.github.shapes.repositories import api_url, html_url, repository


def pull(url: str, a_pull: Pull) -> Json:
    """`pull-request-simple`, an entry of a list."""
    issue = a_pull.issue
    repo = issue.repository
    api, html = f"{api_url(url, repo)}/pulls/{issue.number}", page_of(url, issue)
    issues = f"{api_url(url, repo)}/issues/{issue.number}"
    statuses = f"{api_url(url, repo)}/statuses/{a_pull.head_sha}"
    addresses = {
        "self": api,
        "html": html,
        "issue": issues,
        "comments": f"{issues}/comments",
        "review_comments": f"{api}/comments",
        "review_comment": f"{api_url(url, repo)}/pulls/comments{{/number}}",
        "commits": f"{api}/commits",
        "statuses": statuses,
    }
    return {
        "url": api,
        "id": a_pull.id,
        "node_id": a_pull.node_id,
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        "issue_url": issues,
        "number": issue.number,
        "state": issue.state,
        "locked": issue.locked,
        "title": issue.title,
        "user": user(url, issue.author.account),
        "body": issue.body,
        "created_at": moment(issue.created_at),
        "updated_at": moment(issue.updated_at),
        "closed_at": moment_or_none(issue.closed_at),
        "merged_at": moment_or_none(a_pull.merged_at),
        "merge_commit_sha": a_pull.merge_sha,
        "assignee": user_or_none(url, issue.assignees[0] if issue.assignees else None),
        "assignees": [user(url, account) for account in issue.assignees],
        "requested_reviewers": [user(url, account) for account in a_pull.reviewers],
        "requested_teams": [team(url, a_team) for a_team in a_pull.teams],
        "labels": [label(url, repo, a_label) for a_label in issue.labels],
        "milestone": None,
        "draft": a_pull.draft,
        "commits_url": f"{api}/commits",
        "review_comments_url": f"{api}/comments",
        "review_comment_url": addresses["review_comment"],
        "comments_url": f"{issues}/comments",
        "statuses_url": statuses,
        "head": _side(url, a_pull.head_repository, a_pull.head_ref, a_pull.head_sha, repo),
        "base": _side(url, repo, a_pull.base_ref, a_pull.base_sha, repo),
        "_links": {name: {"href": address} for name, address in addresses.items()},
        "author_association": association(repo, issue.author.account),
        "auto_merge": None,
        "active_lock_reason": None,
    }


def whole_pull(url: str, a_pull: Pull, commits: int, changes: list[FileChange], mergeable: bool | None) -> Json:
    """`pull-request`, as returned for its number. `mergeable` None: not computed yet."""
    state = {None: "unknown", True: "clean", False: "dirty"}[mergeable]
    return {
        **pull(url, a_pull),
        "merged": a_pull.merged_at is not None,
        "mergeable": mergeable,
        "rebaseable": mergeable,
        "mergeable_state": "draft" if a_pull.draft and mergeable else state,
        "merged_by": user_or_none(url, a_pull.merged_by),
        "comments": len(a_pull.issue.comments),
        "review_comments": len(a_pull.comments),
        "maintainer_can_modify": a_pull.maintainer_can_modify,
        "commits": commits,
        "additions": sum(change.additions for change in changes),
        "deletions": sum(change.deletions for change in changes),
        "changed_files": len(changes),
    }


def _side(url: str, repo: Repository | None, ref: str, sha: str, base: Repository) -> Json:
    owner = (repo or base).owner
    return {
        "label": f"{owner.login}:{ref}" if repo else f"unknown:{ref}",
        "ref": ref,
        "sha": sha,
        "user": user(url, owner),
        "repo": repository(url, repo) if repo else None,
    }


def file(url: str, repo: Repository, commit: str, change: FileChange) -> Json:
    """`diff-entry`, a file of a pull request or comparison."""
    shape = {
        "sha": change.oid,
        "filename": change.path,
        "status": change.status,
        "additions": change.additions,
        "deletions": change.deletions,
        "changes": change.additions + change.deletions,
        "blob_url": f"{html_url(url, repo)}/blob/{commit}/{change.path}",
        "raw_url": f"{html_url(url, repo)}/raw/{commit}/{change.path}",
        "contents_url": f"{api_url(url, repo)}/contents/{change.path}?ref={commit}",
    }
    if change.patch is not None:
        shape["patch"] = change.patch
    if change.before is not None:
        shape["previous_filename"] = change.before
    return shape


def review(url: str, a_review: Review) -> Json:
    a_pull = a_review.pull
    api = f"{api_url(url, a_pull.repository)}/pulls/{a_pull.number}"
    html = f"{page_of(url, a_pull.issue)}#pullrequestreview-{a_review.id}"
    shape = {
        "id": a_review.id,
        "node_id": a_review.node_id,
        "user": user(url, a_review.author.account),
        "body": a_review.body,
        "state": a_review.state,
        "html_url": html,
        "pull_request_url": api,
        "author_association": association(a_pull.repository, a_review.author.account),
        "_links": {"html": {"href": html}, "pull_request": {"href": api}},
        "commit_id": a_review.commit,
    }
    if a_review.submitted_at is not None:
        shape["submitted_at"] = moment(a_review.submitted_at)
    return shape


def review_comment(url: str, a_comment: ReviewComment) -> Json:
    a_pull = a_comment.pull
    repo = a_pull.repository
    api = f"{api_url(url, repo)}/pulls/comments/{a_comment.id}"
    html = f"{page_of(url, a_pull.issue)}#discussion_r{a_comment.id}"
    pull_api = f"{api_url(url, repo)}/pulls/{a_pull.number}"
    now = not a_comment.outdated
    line = 1 if a_comment.line is None else a_comment.line  # GitHub puts a whole file's comments on its first line
    shape = {
        "url": api,
        "pull_request_review_id": a_comment.review.id,
        "id": a_comment.id,
        "node_id": a_comment.node_id,
        "diff_hunk": a_comment.hunk,
        "path": a_comment.path,
        "commit_id": a_pull.head_sha if now else a_comment.commit,
        "original_commit_id": a_comment.commit,
        "user": user(url, a_comment.author.account),
        "body": a_comment.body,
        "created_at": moment(a_comment.created_at),
        "updated_at": moment(a_comment.updated_at),
        "html_url": html,
        "pull_request_url": pull_api,
        "author_association": association(repo, a_comment.author.account),
        "_links": {"self": {"href": api}, "html": {"href": html}, "pull_request": {"href": pull_api}},
        "reactions": rollup(api, a_comment.reactions),
        "subject_type": "file" if a_comment.line is None else "line",
        "start_line": a_comment.start_line if now else None,
        "original_start_line": a_comment.start_line,
        "start_side": a_comment.start_side,
        "line": line if now else None,
        "original_line": line,
        "side": a_comment.side,
        "position": a_comment.position if now else None,
        "original_position": a_comment.position,
    }
    if a_comment.reply_to is not None:
        shape["in_reply_to_id"] = a_comment.reply_to
    return shape


def check_run(url: str, run: CheckRun) -> Json:
    api = f"{api_url(url, run.repository)}/check-runs/{run.id}"
    html = f"{html_url(url, run.repository)}/runs/{run.id}"
    return {
        "id": run.id,
        "name": run.name,
        "node_id": run.node_id,
        "head_sha": run.head_sha,
        "external_id": run.external_id,
        "url": api,
        "html_url": html,
        "details_url": run.details_url or html,
        "status": run.status,
        "conclusion": run.conclusion,
        "started_at": moment(run.started_at),
        "completed_at": moment_or_none(run.completed_at),
        "output": {
            "title": run.title,
            "summary": run.summary,
            "text": run.text,
            "annotations_count": run.annotations,
            "annotations_url": f"{api}/annotations",
        },
        "check_suite": {"id": run.id + 1},
        "app": app(url, run.app),
        "pull_requests": [
            _minimal(url, a_pull)
            for a_pull in run.repository.pulls
            if a_pull.head_sha == run.head_sha and a_pull.issue.state == "open" and not a_pull.crosses
        ],
    }


def _minimal(url: str, a_pull: Pull) -> Json:
    repo = a_pull.repository
    short = {"id": repo.id, "url": api_url(url, repo), "name": repo.name}
    return {
        "id": a_pull.id,
        "number": a_pull.number,
        "url": f"{api_url(url, repo)}/pulls/{a_pull.number}",
        "head": {"ref": a_pull.head_ref, "sha": a_pull.head_sha, "repo": short},
        "base": {"ref": a_pull.base_ref, "sha": a_pull.base_sha, "repo": short},
    }
