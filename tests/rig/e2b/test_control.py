"""The control API, used through the unmodified SDK."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import e2b
import httpx
import pytest
from e2b import SandboxQuery, SandboxState

from bot.rig.e2b.server import E2B
from bot.rig.e2b.state import Ending, State

from .conftest import http


async def test_create_hands_over_all_that_a_sandbox_is_given_and_records_it(rig: E2B, client: e2b.E2B) -> None:
    await client.AsyncSandbox.create(
        "amp",
        timeout=900,
        metadata={"app": "ampbot", "job": "1"},
        envs={"COLOUR": "blue"},
        allow_internet_access=True,
        network={"allow_out": ["github.com"], "deny_out": ["0.0.0.0/0"]},
        lifecycle={"on_timeout": "kill"},
        idempotency_key="job-1",
    )

    assert rig.snapshot() == {
        "boxes": [
            {
                "template": "amp",
                "state": "running",
                "ending": None,
                "timeout": 900,
                "metadata": {"app": "ampbot", "job": "1"},
                "env": ["COLOUR"],
                "on_timeout": "kill",
                "auto_resume": False,
                "idempotency_key": "job-1",
                "allow_internet": True,
                "network": {"allowOut": ["github.com"], "denyOut": ["0.0.0.0/0"]},
            }
        ]
    }
    assert rig.records[0].options.env == {"COLOUR": "blue"}


async def test_a_sandbox_without_a_timeout_lives_five_minutes(rig: E2B, client: e2b.E2B) -> None:
    await client.AsyncSandbox.create()

    (record,) = rig.records
    assert (record.ends - record.started, record.options.template, record.options.on_timeout) == (300, "base", None)


async def test_info_says_what_the_sandbox_is(client: e2b.E2B) -> None:
    sandbox = await client.AsyncSandbox.create(
        "amp", timeout=60, metadata={"a": "b"}, lifecycle={"on_timeout": "pause", "auto_resume": True}
    )

    info = await sandbox.get_info()

    assert (info.sandbox_id, info.template_id, info.state) == (sandbox.sandbox_id, "amp", SandboxState.RUNNING)
    assert (info.metadata, info.envd_version) == ({"a": "b"}, "0.6.13")
    assert info.lifecycle == {"on_timeout": "pause", "auto_resume": True}
    assert info.end_at - info.started_at == timedelta(seconds=60)
    assert re.fullmatch(r"i[a-z0-9]{20}", info.sandbox_id)


async def test_another_key_is_refused(rig: E2B) -> None:
    stranger = e2b.E2B(api_key="e2b_" + "0" * 40, api_url=rig.url, sandbox_url=rig.url)

    with pytest.raises(e2b.AuthenticationException, match="Invalid API key"):
        await stranger.AsyncSandbox.create()
    assert rig.records == ()


@pytest.mark.parametrize(
    ("template", "message"),
    [("nothing", "template 'nothing' not found"), ("amp:v9", "template 'amp' with tag 'v9' not found")],
)
async def test_an_unknown_template_is_refused(client: e2b.E2B, template: str, message: str) -> None:
    with pytest.raises(e2b.SandboxException, match=re.escape(message)) as caught:
        await client.AsyncSandbox.create(template)
    assert caught.value.status_code == 404


async def test_a_tagged_template_is_found_by_its_whole_name(rig: E2B, client: e2b.E2B) -> None:
    def seed(home: Path) -> None:
        (home / "mark").write_text("v1")

    rig.add_template("ampbot:v1", seed)

    sandbox = await client.AsyncSandbox.create("ampbot:v1")

    assert await sandbox.files.read("mark") == "v1"


async def test_no_sandbox_lives_longer_than_24_hours(client: e2b.E2B) -> None:
    said = "Timeout cannot be greater than 24 hours"
    with pytest.raises(e2b.SandboxException, match=said):
        await client.AsyncSandbox.create(timeout=86_401)
    sandbox = await client.AsyncSandbox.create(timeout=86_400)
    with pytest.raises(e2b.SandboxException, match=said):
        await sandbox.set_timeout(86_401)
    with pytest.raises(e2b.SandboxException, match=said):
        await sandbox.connect(timeout=86_401)


NETWORKS: list[tuple[dict[str, Any], str]] = [
    ({"allow_out": ["github.com"]}, "you must include 'ALL_TRAFFIC' in deny out"),
    ({"deny_out": ["github.com"]}, "invalid denied CIDR github.com"),
    ({"rules": {"127.0.0.1": []}}, 'Rule domain "127.0.0.1" is not a valid domain name.'),
    (
        {"rules": {"github.com": [{"transform": {"headers": {"Authorization": "x" * 2049}}}]}},
        "exceeds maximum length of 2048 characters",
    ),
]


@pytest.mark.parametrize(("network", "message"), NETWORKS)
async def test_a_network_that_makes_no_sense_is_refused(client: e2b.E2B, network: Any, message: str) -> None:
    with pytest.raises(e2b.SandboxException, match=re.escape(message)) as caught:
        await client.AsyncSandbox.create(network=network)
    assert caught.value.status_code == 400


async def test_updating_the_network_replaces_all_of_it(rig: E2B, client: e2b.E2B) -> None:
    sandbox = await client.AsyncSandbox.create(
        network={"allow_out": ["10.0.0.0/8"], "deny_out": ["0.0.0.0/0"]}, allow_internet_access=True
    )

    rules: Any = {"github.com": [{"transform": {"headers": {"Authorization": "Basic c2VjcmV0"}}}]}
    await sandbox.update_network({"rules": rules})

    (record,) = rig.records
    assert record.network == {"rules": rules}
    assert (record.allow_internet, record.network_updates) == (None, [{"rules": rules}])
    info = await sandbox.get_info()
    assert info.network == {"rules": rules}
    assert rig.snapshot()["boxes"][0]["network"] == {"rules": {"github.com": [["Authorization"]]}}


async def test_set_timeout_can_shorten_and_connect_only_lengthens(rig: E2B, client: e2b.E2B) -> None:
    sandbox = await client.AsyncSandbox.create(timeout=600)
    (record,) = rig.records
    await sandbox.set_timeout(100)
    shortened = record.ends
    await sandbox.connect(timeout=50)
    unchanged = record.ends
    await client.AsyncSandbox.connect(sandbox.sandbox_id, timeout=1_000)

    assert 99 < shortened - record.started < 110
    assert unchanged == shortened
    assert record.ends > record.started + 999


async def test_kill_says_whether_there_was_anything_to_kill(rig: E2B, client: e2b.E2B) -> None:
    sandbox = await client.AsyncSandbox.create()

    assert await sandbox.kill() is True
    assert await sandbox.kill() is False
    assert await sandbox.is_running() is False
    assert [(record.state, record.ending) for record in rig.records] == [(State.ENDED, Ending.KILLED)]
    assert rig.sandboxes == {}


async def test_what_is_gone_cannot_be_found_any_more(client: e2b.E2B) -> None:
    sandbox = await client.AsyncSandbox.create()
    await sandbox.kill()

    for call in (sandbox.get_info, sandbox.connect, sandbox.pause, sandbox.get_metrics):
        with pytest.raises(e2b.SandboxNotFoundException):
            await call()
    with pytest.raises(e2b.SandboxNotFoundException):
        await sandbox.set_timeout(10)


async def test_leaving_the_context_kills(rig: E2B, client: e2b.E2B) -> None:
    async with await client.AsyncSandbox.create():
        assert len(rig.sandboxes) == 1
    assert rig.sandboxes == {}


async def _listed(client: e2b.E2B, query: SandboxQuery | None = None, **how: Any) -> list[str]:
    pages = client.AsyncSandbox.list(query, **how)
    found = []
    while pages.has_next:
        found += [each.metadata.get("n", "") for each in await pages.next_items()]
    return found


async def test_list_filters_orders_and_pages(rig: E2B, client: e2b.E2B) -> None:
    for number in ("1", "2", "3"):
        await client.AsyncSandbox.create("amp", metadata={"n": number, "odd name&": f"v={int(number) % 2} %"})
    other = await client.AsyncSandbox.create("base", metadata={"n": "4"})
    await other.pause()
    middle = datetime.fromtimestamp(rig.records[1].started, UTC)

    assert await _listed(client) == ["4", "3", "2", "1"]
    assert await _listed(client, order="asc", limit=3) == ["1", "2", "3", "4"]
    assert await _listed(client, limit=2) == ["4", "3", "2", "1"]
    assert await _listed(client, SandboxQuery(metadata={"odd name&": "v=1 %"})) == ["3", "1"]
    assert await _listed(client, SandboxQuery(metadata={"n": "1", "odd name&": "v=0 %"})) == []
    assert await _listed(client, SandboxQuery(state=[SandboxState.PAUSED])) == ["4"]
    assert await _listed(client, SandboxQuery(state=[SandboxState.RUNNING]), limit=1) == ["3", "2", "1"]
    assert await _listed(client, SandboxQuery(template="base")) == ["4"]
    assert await _listed(client, SandboxQuery(started_after=middle)) == ["4", "3", "2"]


async def test_a_page_goes_on_where_the_last_one_ended_though_its_sandbox_is_gone(client: e2b.E2B) -> None:
    sandboxes = [await client.AsyncSandbox.create(metadata={"n": str(number)}) for number in range(4)]
    pages = client.AsyncSandbox.list(limit=2)
    first = [each.metadata["n"] for each in await pages.next_items()]
    await sandboxes[2].kill()

    assert (first, [each.metadata["n"] for each in await pages.next_items()]) == (["3", "2"], ["1", "0"])
    assert pages.has_next is False


async def test_metrics_have_one_plausible_entry(client: e2b.E2B) -> None:
    sandbox = await client.AsyncSandbox.create()

    (metrics,) = await sandbox.get_metrics()

    assert (metrics.cpu_count, metrics.mem_total, metrics.disk_total) == (2, 512 << 20, 10_240 << 20)


async def test_a_snapshot_is_a_template(client: e2b.E2B) -> None:
    sandbox = await client.AsyncSandbox.create()
    await sandbox.files.write("kept", "before")
    snapshot = await sandbox.create_snapshot(name="mine")
    await sandbox.files.write("kept", "after")

    copy = await client.AsyncSandbox.create(snapshot.snapshot_id)

    assert await copy.files.read("kept") == "before"
    assert [each.snapshot_id for each in await client.AsyncSandbox.list_snapshots().next_items()] == [
        snapshot.snapshot_id
    ]
    assert await client.AsyncSandbox.delete_snapshot(snapshot.snapshot_id) is True
    assert await client.AsyncSandbox.delete_snapshot(snapshot.snapshot_id) is False


async def test_a_fork_starts_with_a_copy_of_the_files(client: e2b.E2B) -> None:
    sandbox = await client.AsyncSandbox.create()
    await sandbox.files.write("kept", "same")

    forks = await sandbox.fork(count=2)

    assert [await each.files.read("kept") for each in forks if isinstance(each, e2b.AsyncSandbox)] == ["same"] * 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "Error when parsing request"),
        (b"[]", "an object is expected"),
        (b"{}", "templateID is required"),
        (b'{"templateID": "amp", "timeout": "5"}', "timeout must be a number"),
        (b'{"templateID": "amp", "timeout": -1}', "timeout must be a number"),
        (b'{"templateID": "amp", "network": []}', "network must be an object"),
        (b'{"templateID": "amp", "metadata": {"a": 1}}', "metadata must be an object of strings"),
    ],
)
def test_a_malformed_create_call_is_refused(rig: E2B, body: bytes, message: str) -> None:
    answer = httpx.post(f"{rig.url}/v2/sandboxes", content=body, headers={"X-API-KEY": rig.api_key})

    assert (answer.status_code, answer.json()["code"]) == (400, 400)
    assert message in answer.json()["message"]


async def test_where_keys_are_ignored_two_requests_create_two_sandboxes(rig: E2B, client: e2b.E2B) -> None:
    rig.settings.idempotent = False

    one, two = [await client.AsyncSandbox.create(idempotency_key="job-1") for _ in range(2)]

    assert one.sandbox_id != two.sandbox_id
    assert len(rig.sandboxes) == 2


async def test_what_became_of_an_earlier_request_may_be_unknown(rig: E2B, client: e2b.E2B) -> None:
    rig.settings.outcomes_unknown = True
    made = await client.AsyncSandbox.create(idempotency_key="job-1")

    with pytest.raises(e2b.SandboxException, match="is unknown") as caught:
        await client.AsyncSandbox.create(idempotency_key="job-1")

    assert caught.value.status_code == 409
    assert list(rig.sandboxes) == [made.sandbox_id]
    body = {"templateID": "base"}
    headers = {"X-API-KEY": rig.api_key, "Idempotency-Key": "job-2"}
    answers = [await http("POST", f"{rig.url}/v2/sandboxes", json=body, headers=headers) for _ in range(2)]
    assert answers[1].json()["error_code"] == "idempotency_outcome_unknown"


@pytest.mark.parametrize("key", ["", "UPPER", "a" * 256, "under_score"])
def test_a_malformed_idempotency_key_is_refused(rig: E2B, key: str) -> None:
    headers = {"X-API-KEY": rig.api_key, "Idempotency-Key": key}

    answer = httpx.post(f"{rig.url}/v2/sandboxes", json={"templateID": "amp"}, headers=headers)

    assert (answer.status_code, rig.records) == (400, ())


def test_an_unknown_path_is_answered_in_json(rig: E2B) -> None:
    assert httpx.get(f"{rig.url}/v9/nothing").json()["code"] == 404


def test_the_whole_state_can_be_asked_for_without_secrets(rig: E2B) -> None:
    client = e2b.E2B(api_key=rig.api_key, api_url=rig.url, sandbox_url=rig.url)
    client.Sandbox.create(envs={"KEY": "canary-1"}).commands.run("true", envs={"OTHER": "canary-2"})

    text = httpx.get(f"{rig.url}/_rig/state").text

    assert "canary" not in text
    assert {"KEY", "OTHER"} <= set(re.findall(r"\w+", text))
