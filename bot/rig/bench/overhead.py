"""`make bench`: what ampbot adds to the plain sequence, side by side in one run under the same injected delays.

Plain: create a sandbox, clone, run Amp and take the diff with the E2B SDK alone. Ours: from the comment to the pull
request. Both use the same stand-ins, which delay GitHub's answers by 150 ms and take 1 s to create a sandbox.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import e2b

from bot.rig.demo import result
from bot.rig.http.faults import Fault
from bot.rig.rig import Rig

GITHUB_SECONDS = 0.150
CREATE_SECONDS = 1.0
AGENT_SECONDS = 10.0

_REQUEST = f"""\
- wait {AGENT_SECONDS:g}
- append README.md: one more line
- answer: Added a line.
"""


@dataclass(frozen=True, slots=True)
class _Round:
    seconds: float  # from the comment to the pull request
    went: tuple[tuple[float, str], ...]  # seconds from the comment, and the step finished then


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="ampbot-bench-") as folder, Rig(Path(folder)) as rig:
        rig.github.settings.lag_every = 0  # every round is to be asked for the same
        rig.github.create_user("mona")
        repo = rig.github.create_repository("octo/bench", files={"README.md": "# Bench\n", "a.py": "A = 1\n" * 500})
        rig.github.set_permission(repo, "mona", "write")
        rig.github.install(rig.app, [repo])
        rig.serve()
        rig.e2b.settings.create_delay_seconds = CREATE_SECONDS
        rig.github.server.faults.add(Fault("delay", times=0, seconds=GITHUB_SECONDS))
        plain: list[float] = []
        ours: list[_Round] = []
        for number in range(1, rounds + 1):
            plain.append(asyncio.run(_plain(rig)))
            ours.append(_ours(rig, number))
            print(
                f"round {number}: plain {plain[-1]:.2f} s, comment to pull request {ours[-1].seconds:.2f} s", flush=True
            )
        print(
            f"\nwhere the last one went, in seconds from the comment (GitHub {GITHUB_SECONDS * 1000:.0f} ms a request):"
        )
        for at, what in ours[-1].went:
            print(f"  {at:6.2f}  {what}")
    of_ours = statistics.median(one.seconds for one in ours)
    ratio = of_ours / statistics.median(plain)
    print(f"\nmedians: plain {statistics.median(plain):.2f} s, ours {of_ours:.2f} s")
    print(f"ratio {ratio:.2f}")


async def _plain(rig: Rig) -> float:
    client = e2b.E2B(api_key=rig.e2b.api_key, api_url=rig.e2b.url, sandbox_url=rig.e2b.url)
    started = time.monotonic()
    sandbox = await client.AsyncSandbox.create(template="amp", timeout=300)
    await sandbox.commands.run(f"git clone --quiet --depth=1 {rig.github.url}/octo/bench.git repo", timeout=0)
    await sandbox.files.write("prompt.txt", f"<request>\n{_REQUEST}\n</request>\n")
    await sandbox.commands.run(
        "cd repo && amp -x --stream-json --dangerously-allow-all < ../prompt.txt > ../out",
        envs={"AMP_API_KEY": rig.amp_key},
        timeout=0,
    )
    diff = await sandbox.commands.run("cd repo && git diff", timeout=0)
    seconds = time.monotonic() - started
    if "one more line" not in diff.stdout:
        raise RuntimeError("the plain sequence made no change")
    await sandbox.kill()
    return seconds


def _ours(rig: Rig, number: int) -> _Round:
    issue = rig.github.open_issue("octo/bench", "mona", f"Round {number}", "Add a line.").number
    rig.wait_idle()
    mark = len(rig.github.server.request_log.entries)
    logged = len(rig.bot.log)
    started = time.time()
    rig.github.comment("octo/bench", issue, "mona", f"/amp add a line\n\n{_REQUEST}")
    rig.wait("the run to begin", lambda: len(rig.query("SELECT id FROM runs")) == number)
    rig.wait_idle(120)
    request_log = rig.github.server.request_log.since(mark)
    opened = [e for e in request_log if e.method == "POST" and e.path.endswith("/pulls")]
    if len(opened) != 1:
        raise RuntimeError(f"expected one pull request, found {len(opened)}")
    done = [(entry.at + entry.seconds - started, f"{entry.method} {entry.path}") for entry in request_log]
    said = result.moments(rig.bot.log[logged:])
    done += [(said[name] - started, name) for name in ("agent at work", "agent ended")]
    return _Round(opened[0].at + opened[0].seconds - started, tuple(sorted(done)))


if __name__ == "__main__":
    main()
