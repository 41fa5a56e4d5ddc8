"""Pull requests: opening, following their branches, review requests, merging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.rig.github import git
from bot.rig.github.diff import compare
from bot.rig.github.effects.emit import emit_pull
from bot.rig.github.effects.issues import announce, check_body, new_issue, record, refuse_archived, set_state
from bot.rig.github.effects.measure import changes
from bot.rig.github.lag import Made
from bot.rig.github.records import Account, Actor, Pull, Repository, Team
from bot.rig.github.refusal import Refusal, custom, missing
from bot.rig.github.shapes.accounts import team as team_shape
from bot.rig.github.shapes.accounts import user
from bot.rig.github.state import State


@dataclass(frozen=True, slots=True)
class Proposal:
    """The parameters of a new pull request."""

    title: str
    body: str | None
    head_repository: Repository
    head: str  # branch
    base: str  # branch
    draft: bool = False
    maintainer_can_modify: bool = True


def open_pull(state: State, repo: Repository, actor: Actor, proposal: Proposal) -> Pull:
    """Raises Refusal with GitHub's message if there can be no pull request between the branches."""
    refuse_archived(repo)
    check_body("PullRequest", proposal.body)
    if proposal.draft and not repo.allows_drafts:
        raise Refusal.unprocessable("Draft pull requests are not supported in this repository.")
    base = repo.bare.branch(proposal.base)
    head = proposal.head_repository.bare.branch(proposal.head)
    if state.lag.hides(Made.BRANCH, f"{proposal.head_repository.id} refs/heads/{proposal.head}"):
        head = None
    wrong = [missing("PullRequest", name, "invalid") for name, oid in (("base", base), ("head", head)) if not oid]
    if base is None or head is None:
        raise Refusal.invalid(*wrong)
    crosses = proposal.head_repository is not repo
    for other in repo.pulls:
        same = other.head_repository is proposal.head_repository and other.head_ref == proposal.head
        if same and other.base_ref == proposal.base and other.issue.state == "open":
            owner = proposal.head_repository.owner.login
            raise Refusal.invalid(
                custom("PullRequest", "head", f"A pull request already exists for {owner}:{proposal.head}.")
            )
    issue = new_issue(state, repo, actor, proposal.title, proposal.body)
    ref = f"refs/pull/{issue.number}/head"
    if crosses:
        repo.bare.take(proposal.head_repository.bare, head, ref)
    _check_history(repo, proposal, base, head)
    repo.bare.set_ref(ref, head)
    pull = Pull(
        id=state.next_id(),
        issue=issue,
        head_repository=proposal.head_repository,
        head_ref=proposal.head,
        head_sha=head,
        base_ref=proposal.base,
        base_sha=base,
        draft=proposal.draft,
        maintainer_can_modify=proposal.maintainer_can_modify and crosses,
    )
    issue.pull = pull
    repo.issues[issue.number] = issue
    emit_pull(state, pull, "opened", actor)
    return pull


def _check_history(repo: Repository, proposal: Proposal, base: str, head: str) -> None:
    comparison = compare(repo.bare, base, head)
    said = ""
    if comparison.merge_base is None:
        said = f"The {proposal.head} branch has no history in common with {proposal.base}"
    elif not comparison.ahead:
        said = f"No commits between {proposal.base} and {proposal.head}"
    if said:
        raise Refusal.invalid({"resource": "PullRequest", "code": "custom", "message": said})


def set_draft(state: State, pull: Pull, actor: Actor, *, draft: bool) -> None:
    refuse_archived(pull.repository)
    if pull.draft != draft:
        pull.draft = draft
        record(state, pull.issue, actor, "convert_to_draft" if draft else "ready_for_review")
        emit_pull(state, pull, "converted_to_draft" if draft else "ready_for_review", actor)


def retarget(state: State, pull: Pull, actor: Actor, base: str) -> None:
    tip = pull.repository.bare.branch(base)
    if tip is None:
        raise Refusal.invalid(missing("PullRequest", "base", "invalid"))
    change = {"base": {"ref": {"from": pull.base_ref}, "sha": {"from": pull.base_sha}}}
    pull.base_ref, pull.base_sha = base, tip
    announce(state, pull.issue, actor, "edited", {"changes": change})


def base_renamed(state: State, repo: Repository, actor: Actor, old: str, new: str) -> None:
    """Open pull requests follow when their base branch gets another name.

    https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/managing-branches-in-your-repository/renaming-a-branch
    """
    for pull in repo.pulls:
        if pull.base_ref == old and pull.issue.state == "open":
            retarget(state, pull, actor, new)


def branch_moved(
    state: State, repo: Repository, actor: Actor, branch: str, before: str | None, after: str | None
) -> None:
    """Update open pull requests when their head branch moves; close them when it is deleted."""
    kin = [each for each in state.repositories.values() if each is repo or each is repo.parent]
    for pull in [pull for each in kin for pull in each.pulls if pull.issue.state == "open"]:
        if pull.head_repository is repo and pull.head_ref == branch:
            if after is None:
                set_state(state, pull.issue, actor, "closed")
            else:
                _synchronize(state, pull, actor, repo, before, after)
        elif pull.repository is repo and pull.base_ref == branch:
            if after is None:
                set_state(state, pull.issue, actor, "closed")
            elif repo.bare.is_ancestor(pull.head_sha, after):
                merged(state, pull, actor, after)


def _synchronize(state: State, pull: Pull, actor: Actor, head: Repository, before: str | None, after: str) -> None:
    bare = pull.repository.bare
    ref = f"refs/pull/{pull.number}/head"
    if pull.crosses:
        bare.take(head.bare, after, ref)
    else:
        bare.set_ref(ref, after)
    pull.head_sha = after
    pull.base_sha = bare.branch(pull.base_ref) or pull.base_sha
    pull.issue.updated_at = state.now()
    _mark_outdated(pull)
    emit_pull(state, pull, "synchronize", actor, {"before": before or git.ZERO, "after": after})


def _mark_outdated(pull: Pull) -> None:
    """A line comment is outdated once the diff no longer shows the same line."""
    files = {change.path: change for change in changes(pull)[1]}
    for comment in pull.comments.values():
        if comment.line is None or comment.outdated:
            continue
        change = files.get(comment.path)
        hunk = change.hunk_at(comment.line, comment.side) if change else None
        last = hunk.upto(comment.line, comment.side).rpartition("\n")[2] if hunk else None
        comment.outdated = last != comment.hunk.rpartition("\n")[2]


def reviewers_named(
    state: State, pull: Pull, logins: Sequence[str], slugs: Sequence[str]
) -> tuple[list[Account], list[Team]]:
    """The named users and teams. Raises Refusal for anyone who cannot review: GitHub refuses bots of Apps, too."""
    repo = pull.repository
    accounts: list[Account] = []
    for login in logins:
        account = state.account(login)
        fit = account is not None and account.kind == "User" and repo.role(account) != "none"
        bot = account is not None and account.kind == "Bot" and state.settings.bots_may_review
        if account is None or not (fit or bot):
            raise Refusal.unprocessable(
                "Reviews may only be requested from collaborators. One or more of the users or teams you "
                f"specified is not a collaborator of the {repo.full_name} repository."
            )
        if account is pull.issue.author.account:
            raise Refusal.unprocessable("Review cannot be requested from pull request author.")
        accounts.append(account)
    teams = [state.team(repo.owner, slug) for slug in slugs]
    if None in teams:
        raise Refusal.unprocessable("Could not resolve to a node with the global id of the team.")
    return accounts, [team for team in teams if team is not None]


def request_reviews(state: State, pull: Pull, actor: Actor, accounts: list[Account], teams: list[Team]) -> None:
    """Each request sends an event, also a repeated one, as with the re-request button."""
    refuse_archived(pull.repository)
    for account in accounts:
        if account not in pull.reviewers:
            pull.reviewers.append(account)
        record(state, pull.issue, actor, "review_requested").reviewer = account
        emit_pull(state, pull, "review_requested", actor, {"requested_reviewer": user(state.url, account)})
    for team in teams:
        if team not in pull.teams:
            pull.teams.append(team)
        record(state, pull.issue, actor, "review_requested").team = team
        emit_pull(state, pull, "review_requested", actor, {"requested_team": team_shape(state.url, team)})


def withdraw_requests(state: State, pull: Pull, actor: Actor, accounts: list[Account], teams: list[Team]) -> None:
    refuse_archived(pull.repository)
    for account in [account for account in accounts if account in pull.reviewers]:
        pull.reviewers.remove(account)
        record(state, pull.issue, actor, "review_request_removed").reviewer = account
        shape = {"requested_reviewer": user(state.url, account)}
        emit_pull(state, pull, "review_request_removed", actor, shape)
    for team in [team for team in teams if team in pull.teams]:
        pull.teams.remove(team)
        record(state, pull.issue, actor, "review_request_removed").team = team
        shape = {"requested_team": team_shape(state.url, team)}
        emit_pull(state, pull, "review_request_removed", actor, shape)


def merged(state: State, pull: Pull, actor: Actor, commit: str) -> None:
    """Close the pull request as merged by `commit`."""
    now = state.now()
    pull.merged_at = pull.issue.closed_at = pull.issue.updated_at = now
    pull.merged_by = pull.issue.closed_by = actor.account
    pull.merge_sha = commit
    pull.issue.state = "closed"
    for event in ("merged", "closed"):
        record(state, pull.issue, actor, event)
    emit_pull(state, pull, "closed", actor)
