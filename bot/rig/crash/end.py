"""The end state of a story as plain, comparable data: GitHub's state, E2B's sandboxes and our database rows.

Left out: times, GUIDs, sandbox ids, attempts, and names that differ because each run has its own repository.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Sequence
from typing import Any

from bot.rig.crash.stories import Query, Rows, Scenario
from bot.rig.e2b.state import Sandbox
from bot.rig.github.snapshot import Commits, of_repository
from bot.rig.rig import Rig
from bot.sandbox.scripts import script

Plain = dict[str, Any]

# Amp's thread ids, the times of events, durations of runs, and the nonces around users' text in a prompt.
_VARIES = (
    r"(?P<THREAD>\bT-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})|(?P<TIME>\b[\d-]{10}T[\d:]{8}(?:Z|\+00:00))|"
    r"(?P<DURATION>(?<=<sub>)[^·]+(?= ·))|(?P<NONCE>(?<=context-|request-)[0-9a-f]{8})"
)


def end(rig: Rig, query: Query, scenario: Scenario, since: float) -> Plain:
    """`since`: a time (epoch seconds) before the story's comment was made."""
    runs = query("SELECT * FROM runs WHERE repository = :id ORDER BY created_at", id=scenario.repo.id)
    plain = _Plain(rig, scenario, runs)
    github = of_repository(scenario.repo, plain.commits)
    sandboxes = _sandboxes(rig, scenario)
    return {
        "github": json.loads(plain(json.dumps(github, ensure_ascii=False))),
        "live sandboxes": len(rig.e2b.sandboxes),
        "sandboxes": [str(sandbox.ending) for sandbox in sandboxes],
        "runs": [_run(query, plain, scenario, row) for row in runs],
        "effects": sorted(
            plain(f"{row['key']}: {'done' if row['done_at'] else 'tried'}")
            for row in query("SELECT key, done_at FROM effects WHERE tried_at >= :since", since=since)
        ),
        "threads": query("SELECT number FROM threads WHERE repository = :id", id=scenario.repo.id),
        "deliveries": _deliveries(rig, query, scenario),
        "workflows not ended well": query(f"SELECT name, status FROM {workflows(rig)} WHERE status <> 'SUCCESS'"),
    }


def starts(rig: Rig, scenario: Scenario) -> int:
    """How often an agent was started for the story."""
    commands = [command.text for sandbox in _sandboxes(rig, scenario) for command in sandbox.commands]
    return sum(script("start") in text for text in commands)


def _sandboxes(rig: Rig, scenario: Scenario) -> list[Sandbox]:
    return [
        sandbox for sandbox in rig.e2b.records if sandbox.options.metadata.get("repository") == str(scenario.repo.id)
    ]


def workflows(rig: Rig) -> str:
    """The name of the engine's table of workflows."""
    return "workflow_status" if rig.database_url.startswith("sqlite") else "dbos.workflow_status"


class _Plain:
    """Replaces whatever differs between runs of the same story by a fixed name."""

    def __init__(self, rig: Rig, scenario: Scenario, runs: Rows) -> None:
        self._words = {
            rig.github.url: "GITHUB",
            rig.e2b.url: "E2B",
            scenario.repo.owner.login: "OWNER",
            str(scenario.repo.id): "REPOSITORY",
            str(scenario.installation): "INSTALLATION",
        }
        for issue in scenario.repo.issues.values():
            self._words |= {str(each): f"COMMENT {n} OF {issue.number}" for n, each in enumerate(issue.comments)}
            reviews = issue.pull.reviews if issue.pull is not None else ()
            self._words |= {str(each): f"REVIEW {n} OF {issue.number}" for n, each in enumerate(reviews)}
        for row in runs:
            bare = row["id"].replace("-", "")
            self._words |= {row["id"]: "RUN", bare[:12]: "RUN12", bare[:8]: "RUN8"}
        self.commits = Commits(scenario.repo, self)
        for oid in scenario.repo.bare.log(*scenario.repo.bare.refs().values()):
            name = self.commits.name(oid)
            self._words |= {oid: name, oid[:7]: name[:7]}

    def __call__(self, text: str) -> str:
        words = "|".join(map(re.escape, sorted(self._words, key=len, reverse=True)))
        return re.sub(f"(?P<word>{words})|{_VARIES}", self._name, text)

    def _name(self, found: re.Match[str]) -> str:
        return self._words[found[0]] if found.lastgroup == "word" else found.lastgroup or ""


def _run(query: Query, plain: _Plain, scenario: Scenario, row: dict[str, Any]) -> Plain:
    shown = {comment.id for issue in scenario.repo.issues.values() for comment in issue.comments.values()}
    artifacts = query("SELECT name, content FROM artifacts WHERE run = :run ORDER BY name", run=row["id"])
    return {
        "state": row["state"],
        "active": bool(row["active"]),
        "ended": row["ended_at"] is not None,
        "comment": "shown" if row["comment"] in shown else row["comment"],
        "stop": row["stop"],
        "end shown": row["unshown_at"] is None,
        "pull": row["pull"],
        **{name: plain(row[name] or "") for name in ("request", "pinned", "commit", "branch", "ending")},
        "outcome": _timeless(plain(row["outcome"] or "{}")),
        "events": [
            (event["sequence"], event["event"], plain(event["detail"]))
            for event in query("SELECT * FROM run_events WHERE run = :run ORDER BY sequence", run=row["id"])
        ],
        "transcript": [
            (line["sequence"], _timeless(plain(line["line"])))
            for line in query("SELECT * FROM transcript WHERE run = :run ORDER BY sequence", run=row["id"])
        ],
        "artifacts": {artifact["name"]: _content(bytes(artifact["content"])) for artifact in artifacts},
    }


def _timeless(text: str) -> Any:
    """JSON without durations and without ids that Amp generates."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: without(item)
                for key, item in value.items()
                if not re.search(r"duration|seconds|(^|_)(uuid|id|ids)$", key)
            }
        return [without(item) for item in value] if isinstance(value, list) else value

    return without(json.loads(text))


def _content(raw: bytes) -> Any:
    """Digests of an archive's members (its headers hold times); the digest of anything else."""
    plain = gzip.decompress(raw)
    try:
        with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
            members = archive.getmembers()
            contents = [(member, archive.extractfile(member)) for member in members if member.isfile()]
            return {member.name: hashlib.sha256(file.read()).hexdigest() for member, file in contents if file}
    except tarfile.ReadError:
        return hashlib.sha256(plain).hexdigest()


def _deliveries(rig: Rig, query: Query, scenario: Scenario) -> list[str]:
    """The event and outcome of each delivery, sorted.

    Ignored ones are listed once for each kind: a repeated edit of ours causes another delivery.
    """
    guids = {delivery.guid for delivery in rig.github.deliveries if delivery.repository == scenario.repo.id}
    rows = query("SELECT guid, event, outcome, closed_at FROM deliveries")
    ours = [row for row in rows if row["guid"] in guids]
    said = [f"{row['event']}: {row['outcome']}{'' if row['closed_at'] else ' (open)'}" for row in ours]
    ignored = {line for line in said if ": ignored" in line}
    return sorted([*ignored, *(line for line in said if line not in ignored)])


def differences(expected: Any, found: Any, where: str = "") -> list[str]:
    """A line for each difference between two ends."""
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = [*expected, *(key for key in found if key not in expected)]
        return [
            line
            for key in keys
            for line in differences(expected.get(key), found.get(key), f"{where}/{key}".lstrip("/"))
        ]
    if isinstance(expected, list | tuple) and isinstance(found, list | tuple) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found, strict=True))
        return [line for index, (a, b) in pairs for line in differences(a, b, f"{where}/{index}")]
    return [] if expected == found else [f"{where}: {expected!r} became {found!r}"]


def differences_from_all(ends: Sequence[Any], found: Any) -> list[str]:
    """A line for each part of `found` that differs from that part of every one of the ends."""
    lines = differences(ends[0], found)
    for other in ends[1:]:
        places = [_place(line) for line in differences(other, found)]
        lines = [line for line in lines if any(_overlap(_place(line), place) for place in places)]
    return lines


def _place(line: str) -> str:
    return line.partition(": ")[0]


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def more(expected: Any, found: Any) -> bool:
    """Whether a list of `found` is longer than the expected one."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return any(more(expected.get(key), found[key]) for key in found)
    if isinstance(expected, list | tuple) and isinstance(found, list | tuple):
        return len(found) > len(expected) or any(map(more, expected, found))
    return False
