"""A refusal names its cause in GitHub's words, what was kept, and the cure that belongs to this cause."""

from __future__ import annotations

import pytest

from bot.events import commands
from bot.model import Ending, RunState
from bot.text import refusal_messages
from tests.text.markup import alive

ALLOW_LIST = (
    "Although you appear to have the correct authorization credentials, the `octo` organization has an IP allow list "
    "enabled, and your IP address is not permitted to access this resource."
)
SECRET = "Repository rule violations found\n\n- Push cannot contain secrets\n"
CURES = {
    "Repository was archived so is read-only.": "Unarchive the repository",
    "This installation has been suspended": "lift the suspension",
    ALLOW_LIST: "An owner of the organization can add the address of ampbot, and those of its sandboxes",
    "Resource protected by organization SAML enforcement.": "authorize the App for single sign-on",
    SECRET: "Ask again for the change without the secret",
    "Repository rule violations found\n\nChanges must be made through a pull request.": "Allow the App in this rule",
    "Protected branch update failed for refs/heads/main.": "Allow the App in this rule",
    "Resource not accessible by integration": "The App lacks a permission.",
    "Unable to create comment because issue is locked": "Unlock the conversation",
    "Repository access blocked": "only GitHub can lift that",
    "Validation Failed; base invalid": "Once that is settled",
}


@pytest.mark.parametrize(("message", "cure"), CURES.items(), ids=lambda text: text[:24])
def test_each_refusal_has_the_cure_of_its_cause_and_no_other(message: str, cure: str) -> None:
    published = refusal_messages.github_refused(message, preparing=False, kept=True)
    prepared = refusal_messages.github_refused(message, preparing=True, kept=False)
    assert published.message.startswith("GitHub refused to publish the work:\n\n> ")
    assert f"\n\nThe change set is kept with the run. {refusal_messages.cure(message)}" in published.message
    assert f"\n\nNothing was changed. {refusal_messages.cure(message)}" in prepared.message
    assert [one for one in dict.fromkeys(CURES.values()) if one in published.message] == [cure]


def test_of_a_review_there_is_no_change_set() -> None:
    said = refusal_messages.github_refused("Repository was archived", preparing=False, kept=False).message
    assert "change set" not in said
    assert "Amp's transcript is kept with the run. Unarchive the repository" in said


ENDINGS = {
    "a rule": refusal_messages.github_refused("Repository rule violations found, @bob", preparing=False, kept=True),
    "no fetch": refusal_messages.fetch_failed("remote: Hello @bob\nfatal: unable to access 'https://x.y/'"),
    "no fetch, no word": refusal_messages.fetch_failed(" \n"),
    "an allow list for git": refusal_messages.fetch_failed(f"remote: {ALLOW_LIST}"),
    "a branch in the way": refusal_messages.branch_in_the_way("bots/`amp", "bots/`amp/"),
    "workflows in a merge": refusal_messages.workflows_merged("ma`in", "refusing to allow @bob to create workflow"),
    "no common history": refusal_messages.no_common_history("main"),
    "no access": refusal_messages.app_removed(),
    "no conversation": refusal_messages.conversation_gone(),
    "no branch": refusal_messages.not_found("Not Found @bob", preparing=False),
    "no commit": refusal_messages.not_found("", preparing=True),
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_each_says_what_was_kept_and_what_to_do_and_acts_on_nothing(ending: Ending) -> None:
    assert ending.state in (RunState.REFUSED, RunState.FAILED)
    assert any(kept in ending.message for kept in ("kept with the run", "Nothing was changed", "Nothing was started"))
    assert any(todo in ending.message for todo in ("/amp retry", "sk again"))
    assert alive(ending.message) == []
    assert commands.parse(ending.message, names=("ampbot", "bob")) == ()


def test_what_git_says_is_quoted_without_its_empty_lines() -> None:
    assert refusal_messages.fetch_failed("\nremote: No.\n\nfatal: no\n").message == (
        "The repository could not be fetched into the sandbox, and git says:\n\n> remote: No.\n> fatal: no\n\n"
        "Nothing was changed. Once that is settled, comment `/amp retry`."
    )
