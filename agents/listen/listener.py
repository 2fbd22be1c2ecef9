"""The door from its start to its end: waits for Kafka, reads the known ids back, serves, and drains."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any, Final

from journeys.agents.health.condition import Condition, LoopCondition, Reason
from journeys.agents.health.listening import address_of, listening_socket
from journeys.agents.inspect.time_limit import time_limit
from journeys.agents.kafka.connection import KafkaUnreachableError, NoKafkaError
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.agents.kafka.schema_registry import RegistryUnreachableError, own_catalog
from journeys.agents.listen.client_keys import client_keys
from journeys.agents.listen.door import Door, Mapped
from journeys.agents.listen.intake import Intake
from journeys.agents.listen.known_ids import KnownIds
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.security_files import load_certificate, require_modern_tls
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec

_BACKLOG: Final = 1_024
_AGAIN_SECONDS: Final = 2.0
# What a process before this one had sent when it was killed is in the log after this time, or never will be.
_SETTLE_SECONDS: Final = 2.0
_DRAIN_SECONDS: Final = 20.0
_LOOPBACK: Final = ("127.", "::1")


class ListenerFailedError(Exception):
    """Kafka has refused records for good. A restart finds out which of them are in the log."""


class OpenDoorError(OperationError):
    """Whoever reaches this machine could write."""


async def listen(
    settings: Settings, host: str, port: int, known: KnownIds, mapped: Mapped | None, tell: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or SIGINT. `tell` gets a line for whatever happens.

    Raises OperationError for what a restart does not help, ListenerFailedError for what it does.
    """
    keys, tls = client_keys(settings), _tls(settings)
    listening = listening_socket(host, port, "by journeys listen", "give another --port (0 takes a free one)", _BACKLOG)
    if not keys and not listening.getsockname()[0].startswith(_LOOPBACK):
        listening.close()
        raise OpenDoorError(
            f"--host {host}: without keys only this machine may be listened to: set JOURNEYS_LISTEN_KEYS_FILE "
            "(a key for each client, one a line), or leave --host out"
        )
    door = Door(listening, keys, tls, mapped)
    await door.open()
    tell(f"listening at {address_of(listening, is_tls=tls is not None)}/records")
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    stopping = asyncio.create_task(stopped.wait())
    try:
        async with AsyncExitStack() as connections:
            await _work(settings, door, known, connections, stopping, tell)
    except _LeftOpenError:
        tell("stopped; Kafka did not answer, so some requests have no answer")
    finally:
        stopping.cancel()
        await door.close(0)


class _LeftOpenError(Exception):
    """Raised within a producer's context, so that it does not wait for Kafka any longer."""


async def _work(
    settings: Settings,
    door: Door,
    known: KnownIds,
    connections: AsyncExitStack,
    stopping: asyncio.Task[bool],
    tell: Callable[[str], None],
) -> None:
    opening = asyncio.create_task(open_intake(settings, known, connections, tell))
    await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not opening.done():
        opening.cancel()
        await asyncio.wait({opening})
        return
    intake = door.intake = opening.result()
    door.condition = LoopCondition(lambda: _hindrances(intake))
    tell("ready")
    ends: list[asyncio.Future[Any]] = [intake.failed, stopping]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    door.intake = None
    door.condition = lambda: Condition((), (Reason("stopping", "it answers what it has and takes no more"),))
    if intake.failed.done():
        raise ListenerFailedError(intake.failed.result())
    tell("stopping: what was taken is being answered")
    await door.close(_DRAIN_SECONDS)
    if intake.is_waiting:
        raise _LeftOpenError


async def open_intake(
    settings: Settings, known: KnownIds, connections: AsyncExitStack, tell: Callable[[str], None]
) -> Intake:
    """Connect, for as long as it takes; raises OperationError for what waiting does not help."""
    told = ""
    while True:
        try:
            async with AsyncExitStack() as attempt:
                codec = Codec(await own_catalog(settings))
                producer = await attempt.enter_async_context(RecordProducer(settings, codec, is_patient=True))
                await asyncio.sleep(_SETTLE_SECONDS)
                limit = await time_limit(settings, codec)
                await known.read_back(settings, codec)
                connections.push_async_exit(attempt.pop_all())
                return Intake(producer, known, limit)
        except (KafkaUnreachableError, RegistryUnreachableError) as error:
            if isinstance(error, NoKafkaError):
                raise
            if str(error) != told:
                tell(told := str(error))
            await asyncio.sleep(_AGAIN_SECONDS)


def _hindrances(intake: Intake) -> Iterator[Reason]:
    if intake.is_slow:
        yield Reason("kafka", f"Kafka has acknowledged nothing for {intake.longest_wait:.0f} s")


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.listen_tls_cert_file is None:
        return None
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    require_modern_tls(tls)
    load_certificate(tls, settings, "listen_tls")
    return tls
