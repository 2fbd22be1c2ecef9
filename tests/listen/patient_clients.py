"""Clients that say a request again, under the same ids, until they get an answer that ends it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import aiohttp

from journeys.agents.settings.settings import Settings
from journeys.schemas.records import Touchpoint
from tests.fixtures.topic_contents import read_inputs

_AGAIN_SECONDS = 0.2
_LINES = {"Content-Type": "application/x-ndjson"}


def line(journey: str, number: int, **more: Any) -> dict[str, Any]:
    """Make a touchpoint in the line format."""
    fields = {"journey_id": journey, "touchpoint_id": f"{journey}-{number}", "occurred_at": 1_760_000_000_000 + number}
    return fields | {"cost": "0.25"} | more


class Clients:
    """Clients of one test. `taken` are the ids of which a request was answered with 202; `statuses` are all answers."""

    def __init__(self, url: str) -> None:
        self.taken: set[str] = set()
        self.statuses: Counter[int | str] = Counter()
        self.is_enough = asyncio.Event()
        self._url = url

    async def run(self, count: int, lines: int = 20) -> None:
        """Send requests of so many lines each from so many clients, one after the other, until it is enough."""
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(120)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as tasks:
            for client in range(count):
                tasks.create_task(self._client(session, f"client-{client}", lines))

    async def _client(self, session: aiohttp.ClientSession, journey: str, lines: int) -> None:
        number = 0
        while not self.is_enough.is_set() or number == 0:
            sent = [line(journey, number + place) for place in range(lines)]
            number += lines
            await self._until_taken(session, sent)

    async def _until_taken(self, session: aiohttp.ClientSession, sent: list[dict[str, Any]]) -> None:
        body = "\n".join(map(json.dumps, sent))
        while True:
            try:
                async with session.post(f"{self._url}/records", data=body, headers=_LINES) as answer:
                    text = await answer.text()
                    self.statuses[answer.status] += 1
                    if answer.status == 202:
                        self.taken.update(one["touchpoint_id"] for one in sent)
                        return
                    assert answer.status in (429, 503), text
                    assert int(answer.headers["Retry-After"]) > 0
            except (aiohttp.ClientError, ConnectionError) as error:
                self.statuses[type(error).__name__] += 1
            await asyncio.sleep(_AGAIN_SECONDS)


def ids_in_topic(settings: Settings, *journeys: str) -> Counter[str]:
    """Count the touchpoint_ids of some journeys in the input topic."""
    wanted = set(journeys)
    found = [one for records in asyncio.run(read_inputs(settings)).values() for one in records]
    return Counter(one.touchpoint_id for one in found if isinstance(one, Touchpoint) and one.journey_id in wanted)
