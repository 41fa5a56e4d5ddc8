"""Actions of GitHub's users, with the webhooks they cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.rig.github.effects import checks, issues, merging, pulls, refs, reviews
from bot.rig.github.effects.pulls import Proposal
from bot.rig.github.effects.reviews import DraftComment
from bot.rig.github.records import Actor, CheckRun, Comment, Issue, Pull, Reaction, Repository, Review, ReviewComment
from bot.rig.github.scenario import Content, Scenario, changes_of
from bot.rig.github.state import issue_of, pull_of


class UserActions(Scenario):
    """Repositories are given by name or as records, users by login. Refusals are raised as Refusal."""

    def _by(self, user: str) -> Actor:
        return Actor(self.state.user(user))

    # --- conversations ------------------------------------------------------------------------

    def open_issue(
        self,
        repo: Repository | str,
        user: str,
        title: str,
        body: str | None = None,
        labels: Sequence[str] = (),
    ) -> Issue:
        with self.state.lock:
            return issues.open_issue(self.state, self._repo(repo), self._by(user), title, body, labels)

    def edit_issue(
        self,
        repo: Repository | str,
        number: int,
        user: str,
        *,
        title: str | None = None,
        body: str | None = None,
    ) -> None:
        """Edit an issue or a pull request."""
        with self.state.lock:
            issue = issue_of(self._repo(repo), number)
            issues.edit_issue(self.state, issue, self._by(user), title, body)

    def comment(self, repo: Repository | str, number: int, user: str, body: str) -> Comment:
        with self.state.lock:
            return issues.comment(self.state, issue_of(self._repo(repo), number), self._by(user), body)

    def edit_comment(self, comment: Comment, user: str, body: str) -> None:
        with self.state.lock:
            issues.edit_comment(self.state, comment, self._by(user), body)

    def delete_comment(self, comment: Comment, user: str) -> None:
        with self.state.lock:
            issues.delete_comment(self.state, comment, self._by(user))

    def react(self, target: Issue | Comment | ReviewComment, user: str, content: str) -> Reaction:
        with self.state.lock:
            return issues.react(self.state, target, self._by(user), content)[0]

    def label(self, repo: Repository | str, number: int, user: str, name: str) -> None:
        with self.state.lock:
            issues.add_labels(self.state, issue_of(self._repo(repo), number), self._by(user), [name])

    def unlabel(self, repo: Repository | str, number: int, user: str, name: str) -> None:
        with self.state.lock:
            issues.remove_label(self.state, issue_of(self._repo(repo), number), self._by(user), name)

    def assign(self, repo: Repository | str, number: int, user: str, assignee: str) -> None:
        """Assign any user: only REST checks who can be assigned."""
        with self.state.lock:
            who = self.state.user(assignee)
            issues.assign(self.state, issue_of(self._repo(repo), number), self._by(user), who)

    def unassign(self, repo: Repository | str, number: int, user: str, assignee: str) -> None:
        with self.state.lock:
            who = self.state.user(assignee)
            issues.unassign(self.state, issue_of(self._repo(repo), number), self._by(user), who)

    def close(self, repo: Repository | str, number: int, user: str, reason: str | None = None) -> None:
        """`reason`, of an issue: completed (also if not given), not_planned or duplicate."""
        with self.state.lock:
            issues.set_state(self.state, issue_of(self._repo(repo), number), self._by(user), "closed", reason)

    def reopen(self, repo: Repository | str, number: int, user: str) -> None:
        with self.state.lock:
            issues.set_state(self.state, issue_of(self._repo(repo), number), self._by(user), "open")

    def delete_issue(self, repo: Repository | str, number: int, user: str) -> None:
        with self.state.lock:
            issues.delete_issue(self.state, issue_of(self._repo(repo), number), self._by(user))

    def transfer_issue(self, repo: Repository | str, number: int, user: str, to: Repository | str) -> Issue:
        with self.state.lock:
            issue = issue_of(self._repo(repo), number)
            return issues.transfer_issue(self.state, issue, self._by(user), self._repo(to))

    def lock(self, repo: Repository | str, number: int, user: str, *, locked: bool = True) -> None:
        with self.state.lock:
            issues.lock(self.state, issue_of(self._repo(repo), number), self._by(user), locked=locked)

    # --- commits ------------------------------------------------------------------------------

    def push_commit(
        self,
        repo: Repository | str,
        branch: str,
        files: Mapping[str, Content],
        user: str,
        message: str = "Change",
    ) -> str:
        """Commit to the branch; a missing one is created from the default branch. Returns the sha."""
        with self.state.lock:
            found = self._repo(repo)
            bare, before = found.bare, found.bare.branch(branch)
            parent = before or bare.branch(found.default_branch)
            base = bare.commit(parent).tree if parent else None
            tree = bare.write_tree(base, changes_of(bare, files))
            by = self.state.signature(self.state.user(user))
            commit = bare.write_commit(tree, [parent] if parent else [], message, by, by)
            self._push(found, branch, user, before, commit, forced=False)
            return commit

    def force_push(self, repo: Repository | str, branch: str, commit: str, user: str) -> None:
        """Point the branch to any commit of the repository."""
        with self.state.lock:
            found = self._repo(repo)
            self._push(found, branch, user, found.bare.branch(branch), commit, forced=True)

    def rename_branch(self, repo: Repository | str, old: str, new: str, user: str) -> None:
        """Rename a branch, also the default branch. A pull request from it is closed."""
        with self.state.lock:
            found, by = self._repo(repo), self._by(user)
            tip = found.bare.branch(old)
            if tip is None:
                raise KeyError(f"there is no branch {old!r}")
            refs.create_ref(self.state, found, by, f"refs/heads/{new}", tip)
            if found.default_branch == old:
                found.default_branch = new
                found.bare.set_head(new)
            pulls.base_renamed(self.state, found, by, old, new)
            refs.delete_ref(self.state, found, by, f"refs/heads/{old}")

    def delete_branch(self, repo: Repository | str, branch: str, user: str) -> None:
        with self.state.lock:
            refs.delete_ref(self.state, self._repo(repo), self._by(user), f"refs/heads/{branch}")

    def _push(self, repo: Repository, branch: str, user: str, before: str | None, after: str, *, forced: bool) -> None:
        issues.refuse_archived(repo)
        ref = f"refs/heads/{branch}"
        refs.check_rules(repo, ref, "create" if before is None else "force" if forced else "update")
        repo.bare.set_ref(ref, after)
        refs.ref_moved(self.state, repo, self._by(user), ref, before, after, forced=forced)

    # --- pull requests ------------------------------------------------------------------------

    def open_pull(
        self,
        repo: Repository | str,
        user: str,
        head: str | tuple[Repository, str],
        title: str,
        body: str | None = None,
        *,
        base: str | None = None,
        draft: bool = False,
    ) -> Pull:
        """`head` is a branch, or the branch of a fork: `(fork, branch)`."""
        with self.state.lock:
            found = self._repo(repo)
            head_repository, branch = (found, head) if isinstance(head, str) else head
            proposal = Proposal(title, body, head_repository, branch, base or found.default_branch, draft)
            return pulls.open_pull(self.state, found, self._by(user), proposal)

    def mark_ready(self, repo: Repository | str, number: int, user: str, *, ready: bool = True) -> None:
        with self.state.lock:
            pulls.set_draft(self.state, pull_of(self._repo(repo), number), self._by(user), draft=not ready)

    def request_review(self, repo: Repository | str, number: int, user: str, reviewer: str) -> None:
        """`reviewer` is a login or a team's slug. Bots of Apps need `settings.bots_may_review`: GitHub refuses them."""
        with self.state.lock:
            pull = pull_of(self._repo(repo), number)
            is_team = self.state.team(pull.repository.owner, reviewer) is not None
            named = ([], [reviewer]) if is_team else ([reviewer], [])
            asked = pulls.reviewers_named(self.state, pull, *named)
            pulls.request_reviews(self.state, pull, self._by(user), *asked)

    def withdraw_review_request(self, repo: Repository | str, number: int, user: str, reviewer: str) -> None:
        """Of a login or a team's slug."""
        with self.state.lock:
            pull = pull_of(self._repo(repo), number)
            accounts = [account for account in pull.reviewers if account.login == reviewer]
            teams = [team for team in pull.teams if team.slug == reviewer]
            pulls.withdraw_requests(self.state, pull, self._by(user), accounts, teams)

    def submit_review(
        self,
        repo: Repository | str,
        number: int,
        user: str,
        body: str,
        *,
        event: str | None = "COMMENT",
        comments: Sequence[DraftComment] = (),
    ) -> Review:
        """event: COMMENT, APPROVE or REQUEST_CHANGES; None: it stays pending."""
        with self.state.lock:
            return reviews.create_review(
                self.state,
                pull_of(self._repo(repo), number),
                self._by(user),
                body=body,
                event=event,
                comments=comments,
            )

    def submit_pending(self, review: Review, event: str = "COMMENT") -> None:
        with self.state.lock:
            reviews.submit(self.state, review, review.author, event, review.body)

    def edit_review(self, review: Review, user: str, body: str) -> None:
        with self.state.lock:
            reviews.edit_review(self.state, review, self._by(user), body)

    def hide(self, text: Comment | Review | ReviewComment, classifier: str = "SPAM") -> None:
        """Hide a comment or review, as somebody with write access can."""
        with self.state.lock:
            text.minimized = classifier

    def resolve(self, first: ReviewComment, user: str, *, resolved: bool = True) -> None:
        """Resolve the thread that begins with this comment."""
        with self.state.lock:
            reviews.set_resolved(self.state, first, self._by(user), resolved=resolved)

    def review_comment(
        self, repo: Repository | str, number: int, user: str, draft: DraftComment, *, reply_to: int | None = None
    ) -> ReviewComment:
        """On a line of the diff; with `reply_to`, the id of a comment, only the draft's body is used."""
        with self.state.lock:
            pull = pull_of(self._repo(repo), number)
            if reply_to is not None:
                return reviews.reply(self.state, pull.comments[reply_to], self._by(user), draft.body)
            return reviews.comment(self.state, pull, self._by(user), draft, None)

    def edit_review_comment(self, comment: ReviewComment, user: str, body: str) -> None:
        with self.state.lock:
            reviews.edit_comment(self.state, comment, self._by(user), body)

    def merge(self, repo: Repository | str, number: int, user: str, *, squash: bool = False) -> str:
        """Merge the pull request. Returns the sha of the commit that this makes."""
        with self.state.lock:
            pull = pull_of(self._repo(repo), number)
            return merging.merge(self.state, pull, self._by(user), squash=squash)

    # --- checks -------------------------------------------------------------------------------

    def press_check_button(self, run: CheckRun, user: str, identifier: str) -> None:
        """Press a button of a check run, named by the identifier that the App gave it."""
        if identifier not in [action["identifier"] for action in run.actions]:
            raise KeyError(f"the check run has no button {identifier!r}")
        with self.state.lock:
            asked = {"requested_action": {"identifier": identifier}}
            checks.announce(self.state, run, self._by(user), "requested_action", asked)

    def rerequest_check(self, run: CheckRun, user: str) -> None:
        with self.state.lock:
            checks.announce(self.state, run, self._by(user), "rerequested")
