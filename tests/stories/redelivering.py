"""GitHub's log of deliveries, and the App's owner who asks for one again."""

from __future__ import annotations

import json
import time

import httpx
import jwt

from bot.rig.github.webhooks import Delivery
from bot.rig.rig import APP_ID, Rig
from tests.stories.story import Story


def deliveries_of(story: Story, text: str) -> list[Delivery]:
    """GitHub's log of attempts to tell the bot of this story's comments with this text."""
    list_own = [each for each in story.rig.github.deliveries if each.repository == story.repo.id]
    return [each for each in list_own if text in str(json.loads(each.body).get("comment", {}).get("body"))]


def redeliver(rig: Rig, delivery: Delivery) -> None:
    """As the App's owner does it, with the App's key."""
    now = int(time.time())
    token = jwt.encode({"iat": now - 60, "exp": now + 300, "iss": str(APP_ID)}, rig.app.private_key, "RS256")
    answer = httpx.post(
        f"{rig.github.api_url}/app/hook/deliveries/{delivery.id}/attempts",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
    )
    assert answer.status_code == 202
    assert rig.github.wait_deliveries()
