"""Ends of the log: lag is known and grows also while nothing is fetched."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaTimeoutError
from faust.types import TP

from journeys.agents.worker import log_ends
from journeys.agents.worker.log_ends import LogEnds

ONE, OTHER = TP("journey-events", 0), TP("journey-events", 1)


class Consumer:
    """A consumer that stands at offset 5 and fetched last when the log ended at 6; the log goes on."""

    def __init__(self) -> None:
        self.next_position = {ONE: 5, OTHER: 0}
        self.end = 10
        self.is_away = False
        self.is_mute = False

    def highwater(self, tp: TP) -> int | None:
        """End as of the last fetch; aiokafka asserts for a partition that was revoked."""
        assert tp == ONE
        return 6

    async def highwaters(self, *partitions: TP) -> dict[TP, int]:
        """Ends of the log, as Faust's consumer gives them."""
        if self.is_away:
            raise KafkaTimeoutError("no answer")
        if self.is_mute:
            await asyncio.Event().wait()
        return dict.fromkeys(partitions, self.end)


@pytest.fixture
def consumer():
    """Give a consumer that fetches nothing."""
    return Consumer()


def test_row_13_lag_grows_while_nothing_is_fetched(consumer):
    """It stood still at the lag of the last fetch."""
    ends = LogEnds(SimpleNamespace(consumer=consumer))
    assert ends.lags() == {ONE: 1}
    asyncio.run(ends.ask())
    assert ends.lags() == {ONE: 5, OTHER: 10}
    consumer.end = 5_000
    asyncio.run(ends.ask())
    assert ends.lags() == {ONE: 4_995, OTHER: 5_000}
    consumer.next_position = {ONE: 6_000}
    assert ends.lags() == {ONE: 0}, "applied beyond the end that was told"


@pytest.mark.parametrize("silence", ["is_away", "is_mute"])
def test_who_does_not_answer_is_waited_for_and_known(consumer, monkeypatch, silence):
    """Since the first question that had no answer; the last ends stand meanwhile."""
    monkeypatch.setattr(log_ends, "_ANSWER_SECONDS", 0.05)
    now = [100.0]
    monkeypatch.setattr(log_ends, "monotonic", lambda: now[0])
    ends = LogEnds(SimpleNamespace(consumer=consumer))
    asyncio.run(ends.ask())
    assert ends.unanswered_since is None
    setattr(consumer, silence, True)
    for now[0] in (200.0, 300.0):
        asyncio.run(ends.ask())
    assert ends.unanswered_since == 200
    assert ends.lags() == {ONE: 5, OTHER: 10}
    setattr(consumer, silence, False)
    asyncio.run(ends.ask())
    assert ends.unanswered_since is None
