"""The worker process: checks the setup, runs the Faust app, and ends with an exit code that says why."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
from pathlib import Path
from threading import Timer
from typing import Any

import faust
import stamina

from journeys.agents.kafka.connection import KafkaUnreachableError, NoKafkaError, client_options
from journeys.agents.kafka.required_rights import require_worker_rights
from journeys.agents.kafka.schema_registry import RegistryUnreachableError, own_catalog
from journeys.agents.kafka.topic_identity import TopicIdentity
from journeys.agents.kafka.topic_setup import present_identities, require_topics
from journeys.agents.kafka.unpacked_batches import unpack_in_pieces_everywhere
from journeys.agents.settings.log_setup import set_up_logging
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.policy_file import load_policy
from journeys.agents.settings.settings import Settings
from journeys.agents.worker.app import JourneyApp, create_app
from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now
from journeys.agents.worker.restore.open_local_copy import open_local_copy
from journeys.agents.worker.restore.worker_slot import WorkerSlot
from journeys.agents.worker.worker_engine import engine_of
from journeys.agents.worker.worker_health import WorkerHealth
from journeys.schemas.catalog import Catalog

log = logging.getLogger("journeys.worker")
# Rows live long and hold no cycles: with Python's default of 700 new objects the garbage collector scans them in vain,
# which costs half as much as the work itself.
_COLLECT_AFTER_OBJECTS = 50_000
_STOP_WITHIN_SECONDS = 10.0


class JourneyWorker(faust.Worker):  # type: ignore[misc]  # Faust is not typed
    """Faust's worker without its console output; a second signal ends the process at once."""

    def __init__(self, app: JourneyApp, health: WorkerHealth | None) -> None:
        self._health = health
        super().__init__(
            app, loglevel=None, quiet=True, override_logging=False, redirect_stdouts=False, workdir=Path.cwd()
        )
        self.spinner = None

    def autodiscover(self) -> None:
        """Do nothing: `create_app` has registered everything."""

    async def on_first_start(self) -> None:
        """Start the guards and the health with the service."""
        await super().on_first_start()
        self.app.guards.start()
        if self._health is not None:
            self._health.watch(self.app)

    def _schedule_shutdown(self, signal: signal.Signals) -> None:
        if self._signal_stop_time:
            end_now(WorkerExit.FAILED, "a second signal; what was not flushed will be applied again")
        log.info("stopping: the batch in flight is flushed and committed")
        # Without a broker Faust would wait for it; nothing is lost by not waiting.
        timeout = Timer(_STOP_WITHIN_SECONDS, end_now, (WorkerExit.FAILED, "Kafka did not answer while stopping"))
        timeout.daemon = True
        timeout.start()
        super()._schedule_shutdown(signal)

    def on_worker_shutdown(self) -> None:
        """Stop the guards: a slow shutdown is no freeze."""
        self.app.guards.stop()


def run_worker(settings: Settings) -> int:
    """Run a worker until a signal; gives its exit code (see WorkerExit).

    Before it starts, raises KafkaUnreachableError, KafkaRefusedError, SecurityFileError, MissingRightsError,
    TopicSetupError, InvalidPolicyError, RegistryUnreachableError, OperationError if its folder can't be written or its
    metrics port can't be bound, and what `open_local_copy` raises.
    """
    worker_id = settings.worker_id or f"{socket.gethostname()}-{os.getpid()}"
    set_up_logging(settings, worker_id=worker_id)
    policy = None if settings.policy is None else load_policy(settings.policy)
    _make_data_dir(settings.data_dir)
    engine = engine_of(settings.engine)
    health = None if settings.metrics_port is None else WorkerHealth(settings, engine.name)
    slot = WorkerSlot(settings.data_dir / "tables" / settings.group)
    local_copy = open_local_copy(settings, slot)
    options, partition_count, identities, catalog = asyncio.run(_prepare(settings))
    named = settings.model_copy(update={"worker_id": worker_id})
    if engine.compiled is not None:
        from journeys.agents.worker.transport.record_batches import fetch_record_batches  # noqa: PLC0415  (it wants the compiled engine)

        fetch_record_batches()
    else:
        unpack_in_pieces_everywhere()
    instance_id = slot.instance_id() if settings.static_membership else None
    app = create_app(named, options, partition_count, catalog, policy, local_copy, instance_id, engine)
    app.watch_topics(identities)
    gc.set_threshold(_COLLECT_AFTER_OBJECTS, 20, 100)
    log.info("engine: %s", engine.description)
    log.info(
        "worker %s: group %s at %s, %d partitions, policy %s",
        worker_id,
        settings.group,
        options["bootstrap_servers"],
        partition_count,
        "of the log" if policy is None else policy.version,
    )
    try:
        JourneyWorker(app, health).execute_from_commandline()
    except SystemExit as end:
        return WorkerExit.STOPPED if end.code in (None, 0) else WorkerExit.FAILED
    finally:
        if health is not None:
            health.close()
        local_copy.close()
        slot.release()
    return WorkerExit.STOPPED


def restart_may_help(error: OperationError) -> bool:
    """Whether an error of `run_worker` is transient: Kafka or the registry is away, or not ready yet."""
    if isinstance(error, NoKafkaError):
        return False
    return isinstance(error, KafkaUnreachableError | RegistryUnreachableError) or _is_transient(error)


def _make_data_dir(data_dir: Path) -> None:
    """Create the data folder; Faust creates its own in it, with any store."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # copies of rows hold user ids
    except OSError as error:
        raise OperationError(f"{data_dir} can't be written ({error.strerror}): set JOURNEYS_DATA_DIR") from None


async def _prepare(settings: Settings) -> tuple[dict[str, Any], int, dict[str, TopicIdentity], Catalog]:
    # A broker that is still electing leaders answers with transient errors.
    async for attempt in stamina.retry_context(on=_is_transient, attempts=10, timeout=30.0):
        with attempt:
            await require_worker_rights(settings)
            partition_count = await require_topics(settings)
            identities = await present_identities(settings)
    return await client_options(settings), partition_count, identities, await own_catalog(settings)


def _is_transient(error: Exception) -> bool:
    return bool(getattr(error.__cause__, "retriable", False))
