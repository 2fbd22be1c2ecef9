"""A running worker that Kafka does not let in any more ends, so that a new process may read new files."""

import asyncio
import subprocess
import sys

import pytest
from aiokafka import AIOKafkaConsumer

from journeys.agents.kafka.connection import client_options
from journeys.agents.worker.guards.admission import is_connected
from tests.fixtures.broker_fixture import ROOT

from .secure_kafka import ADMIN
from .test_connections import trusting_another_authority

pytestmark = [pytest.mark.broker, pytest.mark.slow]

# A worker's consumer as far as it is looked at; without connections, as when they broke and there are no new ones.
LOOK = """
import asyncio, sys
from types import SimpleNamespace
from journeys.agents.worker.guards.admission import Admission
from journeys.agents.kafka.connection import client_options
from journeys.agents.settings.settings import Settings

async def look(settings):
    options = await client_options(settings)
    connection = SimpleNamespace(connected=lambda: sys.argv[1] == "connected")
    consumer = SimpleNamespace(_client=SimpleNamespace(_conns={"node": connection}))
    await Admission(lambda: consumer, options, settings).check(consumer)

asyncio.run(look(Settings(_env_file=None, **dict(word.split("=", 1) for word in sys.argv[2:]))))
"""


def looked(settings, state="unconnected"):
    """Look once, in a process of its own, which it may end."""
    words = [f"{name}={getattr(settings, name)}" for name in settings.model_fields_set]
    words = [word for word in words if not word.endswith("=None")]
    return subprocess.run(
        [sys.executable, "-c", LOOK, state, *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_worker_without_a_connection_that_is_refused_ends(kafka):
    """With the code that asks for a restart, and the reason."""
    done = looked(trusting_another_authority(kafka))
    assert done.returncode == 70
    assert "is not trusted (unable to get local issuer certificate)" in done.stderr
    assert done.stderr.rstrip().endswith("(exit 70)")


@pytest.mark.parametrize("case", ["let in", "broker away", "refused, but connected"])
def test_a_worker_that_has_no_reason_to_end_goes_on(kafka, case):
    """A broker that is away comes back; and who is still connected is at work."""
    if case == "let in":
        done = looked(kafka.mutual_tls("worker"))
    elif case == "broker away":
        done = looked(kafka.mutual_tls("worker", bootstrap_servers="127.0.0.1:1"))
    else:
        done = looked(trusting_another_authority(kafka), "connected")
    assert (done.returncode, done.stderr) == (0, "")


def test_whether_a_consumer_is_connected_is_seen(kafka):
    """As long as it has a connection it is not asked whether it would get another."""

    async def seen() -> list[bool]:
        consumer = AIOKafkaConsumer(**await client_options(kafka.mutual_tls(ADMIN)))
        await consumer.start()
        await consumer.topics()
        found = [is_connected(consumer)]
        await consumer.stop()
        return [*found, is_connected(consumer)]

    assert asyncio.run(seen()) == [True, False]
