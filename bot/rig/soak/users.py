"""What users do during a soak: every kind of action, chosen by the seed, with its expected result."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from bot.rig.contract.fixtures import webhook_examples
from bot.rig.github.effects.reviews import DraftComment
from bot.rig.github.records import Comment, Repository
from bot.rig.github.webhooks import Delivery
from bot.rig.rig import Rig
from bot.rig.soak.evidence import Expect, UserAction

MAINTAINERS = ("mona", "hubot-fan")
STRANGER, MACHINE, REVIEWER = "eve", "robo[bot]", "rita"
FILES = {"README.md": "# Pages\n", "app.py": "def answer():\n    return 41\n", "docs/guide.md": "Guide\n"}

RUN_LABEL, REVIEW_LABEL = "Resolve this issue.", "Review this pull request."


@dataclass(slots=True)
class Users:
    """`repositories`: how many to create, each with its own installation, because rate limits are per installation."""

    rig: Rig
    random: Random
    noise: Random  # separate: the number of draws depends on the machine's speed
    repositories: int
    actions: list[UserAction] = field(default_factory=list)
    _places: list[Repository] = field(default_factory=list)
    _issues: dict[int, list[int]] = field(default_factory=dict)
    _pulls: dict[int, list[int]] = field(default_factory=dict)
    _recorded: list[tuple[str, bytes]] = field(default_factory=list)
    _tags: int = 0

    def arrive(self) -> None:
        """Create the users and repositories."""
        github = self.rig.github
        for login in (*MAINTAINERS, STRANGER, REVIEWER):
            github.create_user(login)
        github.create_user(MACHINE, "Bot")
        for number in range(self.repositories):
            repo = github.create_repository(f"soak{number}/pages", files=FILES, private=number == 0)
            for login in (*MAINTAINERS, REVIEWER):
                github.set_permission(repo, login, "write")
            github.set_permission(repo, STRANGER, "none" if repo.private else "read")
            github.install(self.rig.app, [repo])
            self._places.append(repo)
            self._issues[repo.id] = []
            self._pulls[repo.id] = []
        for kind in json.loads(webhook_examples().read_text()):
            self._recorded += [(kind["name"], json.dumps(example).encode()) for example in kind["examples"]]

    def greet(self) -> None:
        """Cause the first delivery, so that there is always one to redeliver."""
        self._issue(self._places[0])
        self.rig.github.wait_deliveries()

    def act(self) -> bool:
        """Do one action. Returns whether it asks for a run, because runs take most of the time."""
        kinds: tuple[tuple[Callable[[Repository], bool], int], ...] = (
            (self._request, 8),
            (self._request_on_pull, 3),
            (self._on_a_line, 1),
            (self._in_a_review, 1),
            (self._review, 2),
            (self._label, 2),
            (self._review_label, 1),
            (self._review_request, 1),
            (self._edit, 2),
            (self._stop, 3),
            (self._retry, 2),
            (self._status, 2),
            (self._help, 4),
            (self._typo, 3),
            (self._stranger, 5),
            (self._machine, 5),
            (self._quoted, 8),
            (self._chat, 10),
        )
        (action,) = self.random.choices([action for action, _ in kinds], [weight for _, weight in kinds])
        return action(self.random.choice(self._places))

    def disturb(self) -> None:
        """Send one delivery that holds no new request: an unrelated event, or one sent before."""
        kinds = (self._unrelated, self._again, self._again_under_another_guid)
        (action,) = self.noise.choices(kinds, (4, 2, 1))
        action()

    # --- what starts a run ------------------------------------------------------------------------

    def _request(self, repo: Repository) -> bool:
        tag = self._tag()
        self._say(repo, self._issue(repo), f"/amp {tag} on an issue\n\n{self._script(tag)}", Expect.RUN, tag)
        return True

    def _request_on_pull(self, repo: Repository) -> bool:
        tag = self._tag()
        self._say(repo, self._pull(repo), f"/amp {tag} on a pull request\n\n{self._script(tag)}", Expect.RUN, tag)
        return True

    def _on_a_line(self, repo: Repository) -> bool:
        tag, number = self._tag(), self._new_pull(repo)
        text = f"/amp {tag} on a line\n\n{self._script(tag)}"
        self._on(repo, number, Expect.RUN, tag, text)
        self.rig.github.review_comment(
            repo, number, self._maintainer(), DraftComment(self._new_file(repo, number), text, 1)
        )
        return True

    def _in_a_review(self, repo: Repository) -> bool:
        """A command in the text of a submitted review."""
        tag, number = self._tag(), self._new_pull(repo)
        text = f"/amp {tag} in a review\n\n{self._script(tag)}"
        self._on(repo, number, Expect.RUN, tag, text)
        self.rig.github.submit_review(repo, number, self._maintainer(), text)
        return True

    def _review(self, repo: Repository) -> bool:
        self._say(repo, self._pull(repo), "/amp review", Expect.RUN, REVIEW_LABEL)
        return True

    def _label(self, repo: Repository) -> bool:
        """On a new issue, because the bot removes the label at an unknown time."""
        tag = self._tag()
        number = self.rig.github.open_issue(repo, self._maintainer(), f"Labelled {tag}", "Do it.").number
        self._on(repo, number, Expect.RUN, RUN_LABEL, "the label amp")
        self.rig.github.label(repo, number, self._maintainer(), "amp")
        return True

    def _review_label(self, repo: Repository) -> bool:
        number = self._new_pull(repo)
        self._on(repo, number, Expect.RUN, REVIEW_LABEL, "the label amp:review")
        self.rig.github.label(repo, number, self._maintainer(), "amp:review")
        return True

    def _review_request(self, repo: Repository) -> bool:
        number = self._new_pull(repo)
        self._on(repo, number, Expect.RUN, REVIEW_LABEL, "a review request")
        self.rig.github.request_review(repo, number, MAINTAINERS[0], REVIEWER)
        return True

    def _edit(self, repo: Repository) -> bool:
        """A comment is edited into a command and then edited again: one run."""
        tag, number, author = self._tag(), self._issue(repo), self._maintainer()
        comment = self.rig.github.comment(repo, number, author, f"Thinking about {tag}.")
        command = f"/amp {tag} on second thought\n\n- answer: Done with {tag}.\n"
        self._on(repo, number, Expect.RUN, tag, command)
        self.rig.github.edit_comment(comment, author, command)
        self.rig.github.edit_comment(comment, author, f"Good morning.\n\n{command}")
        return True

    # --- what concerns existing runs ------------------------------------------------------

    def _stop(self, repo: Repository) -> bool:
        """On an issue with a recent request, so that there may be a run to stop."""
        repo, number = self._lately(repo)
        text = self.random.choice(("/amp stop", "/amp stop", "/amp stop keep"))
        self._say(repo, number, text, Expect.STOP, "<!-- ampbot:stop:issue:{id}:")
        return False

    def _retry(self, repo: Repository) -> bool:
        repo, number = self._lately(repo)
        self._say(repo, number, "/amp retry", Expect.RETRY, "<!-- ampbot:retry:issue:{id} ")
        return True

    def _status(self, repo: Repository) -> bool:
        repo, number = self._lately(repo)
        self._say(repo, number, "/amp status", Expect.REPLY, "<!-- ampbot:status:issue:{id}:")
        return False

    def _lately(self, otherwise: Repository) -> tuple[Repository, int]:
        """One of the last issues on which a run was requested."""
        asked = [action for action in self.actions if action.expect is Expect.RUN][-6:]
        if not asked:
            return otherwise, self._issue(otherwise)
        action = self.random.choice(asked)
        return next(repo for repo in self._places if repo.id == action.repository), action.number

    def _script(self, tag: str) -> str:
        """Instructions for the scripted agent: most change a file, some only answer, some fail, some are slow."""
        publish = f"- append soak/{tag}.md: {tag}\n- title: Soak {tag}\n- answer: Wrote {tag}.\n"
        return self.random.choices(
            (
                publish,
                f"- steps 3 0.4\n{publish}",
                f"- wait 3\n{publish}",
                f"- answer: Nothing to do for {tag}.\n",
                f"- append soak/{tag}.md: {tag}\n- fail: This is {tag}.\n",
                f"- create .github/workflows/{tag}.yml: on push\n- answer: Tried {tag}.\n",
                "- garbage\n- flood 20KB\n" + publish,
                "- crash: Out of luck.\n",
            ),
            (8, 4, 3, 4, 1, 1, 1, 1),
        )[0]

    # --- what gets a reply, a denial, or nothing ----------------------------------------------------

    def _help(self, repo: Repository) -> bool:
        self._say(repo, self._issue(repo), "/amp help", Expect.REPLY, "<!-- ampbot:reply:issue:{id}:")
        return False

    def _typo(self, repo: Repository) -> bool:
        text = self.random.choice(("/amp", "/amp hel", "/amp revieww", "/amp review"))
        self._say(repo, self._issue(repo), text, Expect.REPLY, "<!-- ampbot:reply:issue:{id}:")
        return False

    def _stranger(self, repo: Repository) -> bool:
        expect = Expect.NOTHING if repo.private else Expect.DENIAL
        self._say(repo, self._issue(repo), f"/amp {self._tag()} let me in", expect, "", STRANGER)
        return False

    def _machine(self, repo: Repository) -> bool:
        self._say(repo, self._issue(repo), f"/amp {self._tag()} beep", Expect.NOTHING, "", MACHINE)
        return False

    def _quoted(self, repo: Repository) -> bool:
        tag = self._tag()
        form = self.random.choice(
            ("> /amp {}", "```\n/amp {}\n```", "<!--\n/amp {}\n-->", "I said /amp {}", "    /amp {}")
        )
        self._say(repo, self._issue(repo), form.format(tag), Expect.NOTHING, "")
        return False

    def _chat(self, repo: Repository) -> bool:
        self._say(repo, self._issue(repo), f"I think {self._tag()} is fine.", Expect.NOTHING, "")
        return False

    # --- deliveries without a user action --------------------------------------------------------------

    def _unrelated(self) -> None:
        """A recorded payload of GitHub. Its bytes are made unique, because the bot drops known bodies."""
        event, body = self.noise.choice(self._recorded)
        guid = self._guid()
        self._deliver(guid, event, body[:-1] + f', "soak": "{guid}"}}'.encode())

    def _again(self) -> None:
        self.rig.github.state.outbox.redeliver(self._old())

    def _again_under_another_guid(self) -> None:
        old = self._old()
        self._deliver(self._guid(), old.event, old.body)

    def _old(self) -> Delivery:
        """One of the last 400. Their number depends on timing, so this draws exactly one random number."""
        known = self.rig.github.deliveries[-400:]
        return known[int(self.noise.random() * len(known))]

    def _guid(self) -> str:
        return str(uuid.UUID(int=self.noise.getrandbits(128), version=4))

    def _deliver(self, guid: str, event: str, body: bytes) -> None:
        state = self.rig.github.state
        delivery = Delivery(
            state.next_id(), guid, self.rig.app, event, json.loads(body).get("action"), None, None, body
        )
        state.outbox.redeliver(delivery)

    # --- helpers of the actions ----------------------------------------------------------------------------

    def _tag(self) -> str:
        self._tags += 1
        return f"s{self._tags:05d}s"

    def _maintainer(self) -> str:
        return self.random.choice(MAINTAINERS)

    def _say(
        self, repo: Repository, number: int, text: str, expect: Expect, needle: str, author: str | None = None
    ) -> Comment:
        comment = self.rig.github.comment(repo, number, author or self._maintainer(), text)
        self._on(repo, number, expect, needle.format(id=comment.id), text, author, comment.id)
        return comment

    def _on(
        self,
        repo: Repository,
        number: int,
        expect: Expect,
        needle: str,
        text: str,
        actor: str | None = None,
        comment: int = 0,
    ) -> None:
        self.actions.append(UserAction(repo.id, number, actor or "a maintainer", expect, needle, text, comment))

    def _issue(self, repo: Repository) -> int:
        """A new issue or a recent one, whose runs are then queued."""
        known = self._issues[repo.id]
        if known and self.random.random() < 0.5:
            return self.random.choice(known[-5:])
        issue = self.rig.github.open_issue(repo, self._maintainer(), f"Issue {self._tag()}", "It should be 42.")
        known.append(issue.number)
        return issue.number

    def _pull(self, repo: Repository) -> int:
        known = self._pulls[repo.id]
        if known and self.random.random() < 0.5:
            return self.random.choice(known[-3:])
        known.append(self._new_pull(repo))
        return known[-1]

    def _new_file(self, repo: Repository, number: int) -> str:
        pull = repo.issues[number].pull
        assert pull is not None  # it was opened just now
        return f"feature/{pull.head_ref.removeprefix('feature-')}.py"

    def _new_pull(self, repo: Repository) -> int:
        tag = self._tag()
        self.rig.github.push_commit(repo, f"feature-{tag}", {f"feature/{tag}.py": f"x = '{tag}'\n"}, MAINTAINERS[0])
        return self.rig.github.open_pull(
            repo, MAINTAINERS[0], f"feature-{tag}", f"Feature {tag}", "What it does."
        ).number
