"""The contract, connected: a real Kafka and a real worker."""

import asyncio

import pytest

from tests.fixtures.fresh_kafka import emptied
from tests.live.verified import verified
from tests.live.worker_process import Workers
from training_orchestrator import JourneyTimeoutManager

from .contract import CASES

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.fixture(scope="module")
def settings(broker, tmp_path_factory):
    """Give a Kafka with a running worker; at the end its outputs must equal a replay's."""
    given = emptied(broker, punctuation_interval_seconds=0.2)
    with Workers(tmp_path_factory.mktemp("workers")) as workers:
        workers.start(given).wait_until_logged("restored: partitions [0, 1, 2, 3]")
        yield given
        workers.wait_until_applied(given)
        verified(given)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_connected(case, settings):
    """One case, with journey ids of its own."""

    async def run() -> None:
        async with JourneyTimeoutManager(bootstrap_servers=settings.bootstrap_servers) as manager:
            await case(manager)

    asyncio.run(run())
