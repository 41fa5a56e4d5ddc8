"""The content of each built-in template, checked from inside a sandbox."""

from __future__ import annotations

from pathlib import Path

import e2b
import pytest

from bot.rig.e2b.server import E2B

LOOK = "command -v amp || echo none"
ASK = "~/.local/bin/amp --version"


@pytest.mark.parametrize(
    ("template", "found", "era"),
    [
        ("base", "none", None),
        ("amp", "/home/user/.local/bin/amp", "cur"),
        ("amp-old", "/home/user/.local/bin/amp", "old"),
        ("amp-cold", "none", "cur"),
    ],
)
async def test_amp_is_where_the_template_puts_it(
    rig: E2B, client: e2b.E2B, template: str, found: str, era: str | None
) -> None:
    sandbox = await client.AsyncSandbox.create(template)

    where = (await sandbox.commands.run(LOOK)).stdout.strip()
    wrapper = (await sandbox.commands.run("cat .local/bin/amp 2>/dev/null || :")).stdout

    home = "/home/user" if rig.isolated else str(rig.records[0].home)
    assert where == found.replace("/home/user", home)
    assert (f"AMP_RIG_ERA={era}\n" in wrapper) == (era is not None)
    if era is not None:
        assert (await sandbox.commands.run(ASK)).exit_code == 0


async def test_a_cold_sandbox_shows_amp_to_interactive_shells_only(client: e2b.E2B) -> None:
    sandbox = await client.AsyncSandbox.create("amp-cold")

    seen = await sandbox.commands.run("bash -ic 'command -v amp' 2>/dev/null")

    assert seen.stdout.endswith("/.local/bin/amp\n")


async def test_a_launcher_without_its_program_says_so(client: e2b.E2B) -> None:
    sandbox = await client.AsyncSandbox.create("amp-missing")

    with pytest.raises(e2b.CommandExitException) as caught:
        await sandbox.commands.run("amp --version")
    assert (caught.value.exit_code, caught.value.stderr) == (1, "Amp native binary not installed.\n")


async def test_a_template_of_ones_own_fills_the_home(rig: E2B, client: e2b.E2B) -> None:
    def seed(home: Path) -> None:
        (home / "docs").mkdir()
        (home / "docs" / "read.me").write_text("hello")

    rig.add_template("mine", seed)
    sandbox = await client.AsyncSandbox.create("mine")

    assert (await sandbox.commands.run("cat ~/docs/read.me")).stdout == "hello"
