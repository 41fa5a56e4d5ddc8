"""Sets up a scenario: accounts, repositories, Apps, and actions of administrators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bot.rig.github import keys
from bot.rig.github.auth import mint_for_user
from bot.rig.github.effects import apps
from bot.rig.github.effects.emit import emit
from bot.rig.github.git import Bare, Change, Signature, head_of
from bot.rig.github.records import ROLES, Account, Actor, App, Hook, Installation, Repository, Rule, Team
from bot.rig.github.state import State

# A file's content, or its mode and content; None removes the file.
Content = str | bytes | tuple[str, bytes] | None

_FIRST_COMMIT = 1_700_000_000  # fixed, so that repositories made from `files` always have the same commit


class Scenario:
    """Methods that may be called at any time after `start`."""

    def __init__(self, state: State) -> None:
        self.state = state

    # --- accounts -----------------------------------------------------------------------------

    def create_user(self, login: str, kind: str = "User") -> Account:
        """A user, or an organization with kind `Organization`. Raises ValueError if the login is taken."""
        with self.state.lock:
            if login.lower() in self.state.accounts:
                raise ValueError(f"the login {login!r} is taken")
            account = Account(self.state.next_account_id(), login, kind, self.state.now())
            self.state.accounts[login.lower()] = account
            return account

    def delete_user(self, login: str) -> None:
        """Delete the account. What it wrote stays, without an author."""
        with self.state.lock:
            self.state.user(login).deleted = True

    def create_team(self, organization: str, slug: str) -> Team:
        with self.state.lock:
            owner = self._account(organization, "Organization")
            team = Team(self.state.next_account_id(), owner, slug, slug.title())
            self.state.teams.append(team)
            return team

    def personal_token(self, login: str) -> str:
        """A user's token for REST, GraphQL and git."""
        with self.state.lock:
            return mint_for_user(self.state, self.state.user(login)).value

    # --- repositories -------------------------------------------------------------------------

    def create_repository(
        self,
        full_name: str,
        *,
        private: bool = False,
        source: Path | None = None,
        files: Mapping[str, Content] | None = None,
        default_branch: str = "main",
    ) -> Repository:
        """From a local git repository (only read), from files, or empty. A missing owner is created as an organization.

        Raises ValueError if the name is taken or `source` has no commit.
        """
        owner, _, name = full_name.partition("/")
        with self.state.lock:
            found = self.state.repository(full_name)
            # A former name is free: https://docs.github.com/en/repositories/creating-and-managing-repositories/renaming-a-repository
            if found is not None and found.full_name.lower() == full_name.lower():
                raise ValueError(f"there is a repository {full_name!r} already")
            number = self.state.next_account_id()
            path = self.state.root / f"{number}.git"
            if source is not None:
                head = head_of(source)
                if head is None:
                    raise ValueError(f"{source} is not a git repository with a commit")
                bare, default_branch = Bare.clone(source, path), head[0]
                if bare.branch(default_branch) is None:
                    bare.take(Bare(source), head[1], f"refs/heads/{default_branch}")
            else:
                bare = Bare.create(path)
                if files:
                    by = Signature("rig", "rig@example.com", _FIRST_COMMIT)
                    tree = bare.write_tree(None, changes_of(bare, files))
                    commit = bare.write_commit(tree, [], "Initial commit\n", by, by)
                    bare.set_ref(f"refs/heads/{default_branch}", commit)
            return self._add(self._account(owner, "Organization"), name, number, bare, default_branch, private=private)

    def fork(self, repo: Repository | str, user: str) -> Repository:
        with self.state.lock:
            parent, owner = self._repo(repo), self.state.user(user)
            number = self.state.next_account_id()
            bare = Bare.clone(parent.bare.path, self.state.root / f"{number}.git")
            forked = self._add(owner, parent.name, number, bare, parent.default_branch, private=parent.private)
            forked.parent = parent
            return forked

    def _add(
        self, owner: Account, name: str, number: int, bare: Bare, default_branch: str, *, private: bool
    ) -> Repository:
        bare.set_head(default_branch)
        now = self.state.now()
        repo = Repository(number, owner, name, private, default_branch, bare, now, now)
        repo.first_tips = tuple(sorted(set(bare.refs().values())))
        self.state.repositories[number] = repo
        self.state.names[repo.full_name.lower()] = number
        return repo

    def set_permission(self, repo: Repository | str, user: str, role: str) -> None:
        """admin, maintain, write, triage, read or none; everyone may read a public repository."""
        if role not in ROLES:
            raise ValueError(f"a role is one of {', '.join(ROLES)}, not {role!r}")
        with self.state.lock:
            self._repo(repo).roles[self.state.user(user).id] = role

    def protect(
        self,
        repo: Repository | str,
        pattern: str,
        *,
        create: bool = False,
        update: bool = False,
        delete: bool = False,
        force: bool = False,
        why: str = "Changes must be made through a pull request.",
    ) -> None:
        """Refuse the given actions on refs such as `refs/heads/main` or `refs/heads/*` to everyone."""
        with self.state.lock:
            self._repo(repo).rules.append(Rule(pattern, create, update, delete, force, why))

    def archive(self, repo: Repository | str, *, archived: bool = True) -> None:
        with self.state.lock:
            self._repo(repo).archived = archived

    def set_private(self, repo: Repository | str, *, private: bool) -> None:
        with self.state.lock:
            self._repo(repo).private = private

    def rename(self, repo: Repository | str, name: str, user: str) -> None:
        """The old name keeps redirecting to it."""
        with self.state.lock:
            found = self._repo(repo)
            before, found.name = found.name, name
            self.state.names[found.full_name.lower()] = found.id
            changes = {"repository": {"name": {"from": before}}}
            self._repository_event(found, user, "renamed", changes)

    def transfer(self, repo: Repository | str, owner: str, user: str) -> None:
        """To another account: the installations of the old one no longer reach it."""
        with self.state.lock:
            found, by = self._repo(repo), self.state.user(user)
            before = found.owner
            found.owner = self._account(owner, "Organization")
            self.state.names[found.full_name.lower()] = found.id
            changes = {"owner": {"from": {"login": before.login, "id": before.id}}}
            self._repository_event(found, user, "transferred", changes)
            for installation in self.state.installations.values():
                if installation.account is before and found.id in installation.repositories:
                    apps.remove_repository(self.state, installation, found, by)

    def _repository_event(self, repo: Repository, user: str, action: str, changes: object) -> None:
        actor = Actor(self.state.user(user))
        emit(self.state, repo, "repository", actor, {"action": action, "changes": changes})

    # --- Apps ---------------------------------------------------------------------------------

    def create_app(
        self,
        slug: str,
        app_id: int | None = None,
        *,
        webhook_url: str = "",
        webhook_secret: str = "",
        permissions: Mapping[str, str],
        events: Iterable[str],
        private_key: str | None = None,
        owner: str = "ampbot-makers",
    ) -> App:
        """With a private key (PEM) only its public key is kept; without one, `app.private_key` is a new one."""
        with self.state.lock:
            made, public = keys.generate() if private_key is None else ("", keys.public_of(private_key))
            app_id = app_id or self.state.next_account_id()
            now = self.state.now()
            bot = Account(self.state.next_account_id(), f"{slug}[bot]", "Bot", now)
            app = App(
                id=app_id,
                slug=slug,
                client_id=f"Iv23li{app_id:014d}",
                owner=self._account(owner, "Organization"),
                bot=bot,
                public_key=public,
                private_key=made,
                hook=Hook(self.state.next_account_id(), webhook_url, webhook_secret),
                permissions={"metadata": "read", **permissions},
                events=tuple(events),
                created_at=now,
            )
            bot.app = app
            self.state.accounts[bot.login.lower()] = bot
            self.state.apps[app_id] = app
            return app

    def set_hook(self, app: App, url: str, secret: str) -> None:
        with self.state.lock:
            app.hook.url, app.hook.secret = url, secret

    def install(self, app: App, repositories: Sequence[Repository | str], *, user: str | None = None) -> Installation:
        """Install on repositories of one account, as `user` or that account. An existing installation is extended.

        Raises ValueError if they belong to several accounts.
        """
        with self.state.lock:
            found = [self._repo(repo) for repo in repositories]
            if len({repo.owner for repo in found}) != 1:
                raise ValueError("an installation is on repositories of one account")
            by = self.state.user(user) if user else found[0].owner
            return apps.install(self.state, app, found, by)

    def suspend(self, installation: Installation, *, suspended: bool = True) -> None:
        with self.state.lock:
            change = apps.suspend if suspended else apps.unsuspend
            change(self.state, installation, installation.account)

    def uninstall(self, installation: Installation) -> None:
        with self.state.lock:
            apps.uninstall(self.state, installation, installation.account)

    def expire_tokens(self) -> int:
        """Expire all active installation tokens. Returns how many there were."""
        with self.state.lock:
            now = self.state.now()
            active = [
                token
                for token in self.state.tokens.values()
                if token.installation is not None and not token.revoked and token.expires_at > now
            ]
            for token in active:
                token.expires_at = now
            return len(active)

    # --- look-ups -----------------------------------------------------------------------------

    def _account(self, login: str, kind: str) -> Account:
        return self.state.account(login) or self.create_user(login, kind)

    def _repo(self, repo: Repository | str) -> Repository:
        if isinstance(repo, Repository):
            return repo
        found = self.state.repository(repo)
        if found is None:
            raise KeyError(f"there is no repository {repo!r}; create it first")
        return found


def changes_of(bare: Bare, files: Mapping[str, Content]) -> list[Change]:
    """The files written as blobs, ready for a tree."""
    kept = {path: content for path, content in files.items() if content is not None}
    blobs = bare.write_blobs([_bytes(content) for content in kept.values()])
    changes = [
        Change(path, content[0] if isinstance(content, tuple) else "100644", oid)
        for (path, content), oid in zip(kept.items(), blobs, strict=True)
    ]
    return changes + [Change(path, "100644", None) for path, content in files.items() if content is None]


def _bytes(content: str | bytes | tuple[str, bytes]) -> bytes:
    raw = content[1] if isinstance(content, tuple) else content
    return raw.encode() if isinstance(raw, str) else raw
