"""The contract, embedded: a file, and no server."""

import asyncio

import pytest

from training_orchestrator import JourneyTimeoutManager

from .contract import CASES

pytestmark = pytest.mark.usefixtures("each_engine")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_embedded(case, tmp_path):
    """One case, with a store of its own."""

    async def run() -> None:
        async with JourneyTimeoutManager(store_path=tmp_path / "journeys.sqlite3") as manager:
            await case(manager)

    asyncio.run(run())
