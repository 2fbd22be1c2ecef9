"""The Faust app and its factory; the import has no side effects."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import faust
from faust.types import TP

from journeys.agents.kafka.connection import require_broker
from journeys.agents.kafka.group_members import describe_group
from journeys.agents.kafka.schema_registry import SchemaRegistry
from journeys.agents.kafka.topic_identity import TopicIdentity, ids_of
from journeys.agents.settings.kafka_security import faust_credentials
from journeys.agents.settings.settings import Settings
from journeys.agents.worker.flusher import BATCH_BYTES, Flusher
from journeys.agents.worker.guards.admission import Admission
from journeys.agents.worker.guards.clock_check import ClockCheck
from journeys.agents.worker.guards.freeze_guard import FreezeGuard
from journeys.agents.worker.guards.group_guard import GroupGuard
from journeys.agents.worker.guards.guards import Guards
from journeys.agents.worker.guards.loop_guard import LoopGuard
from journeys.agents.worker.guards.memory_limit import MemoryLimit
from journeys.agents.worker.guards.topic_watch import TopicWatch
from journeys.agents.worker.guards.watchdog import Watchdog
from journeys.agents.worker.journey_agent import JourneyAgent
from journeys.agents.worker.log_ends import LogEnds
from journeys.agents.worker.mark_keeper import MarkKeeper
from journeys.agents.worker.ports.local_copy import LocalCopy, NoLocalCopy
from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now
from journeys.agents.worker.punctuator import Punctuator
from journeys.agents.worker.quarantine import Quarantine
from journeys.agents.worker.restore.changelog_queue import JourneyTables
from journeys.agents.worker.restore.journey_store import JourneyStore, JourneyTable
from journeys.agents.worker.schema_decisions import SchemaDecisions
from journeys.agents.worker.transport.batch_transport import BatchConsumer, BatchTransport
from journeys.agents.worker.transport.group_membership import GroupMembership
from journeys.schemas.catalog import Catalog
from journeys.schemas.codec import Codec
from journeys.schemas.topics import JOURNEY_EVENTS, MAX_MESSAGE_BYTES, TABLE, changelog_name
from journeys.streams.compiled.engine_choice import REFERENCE, Engine
from journeys.streams.rule.policy import Policy

_HEARTBEATS_PER_SESSION = 5
_REBALANCE_TIMEOUT_SECONDS = 30.0
_REQUEST_TIMEOUT_SECONDS = 30.0
_COMMIT_INTERVAL_SECONDS = 1.0
_REPORT_INTERVAL_SECONDS = 5.0
# Ten years: aiokafka takes a worker that does not fetch for this long out of its group, and never in again. One that
# waits to take partitions over fetches nothing. Whether a worker gets on is for its guards to see.
_POLL_INTERVAL_SECONDS = 10.0 * 365 * 24 * 60 * 60


class JourneyApp(faust.App):  # type: ignore[misc]  # Faust is not typed
    """Faust's app, which holds the parts of the worker and implements their ports."""

    consumer: BatchConsumer
    flusher: Flusher
    guards: Guards
    clock_check: ClockCheck
    journey_agent: JourneyAgent
    membership: GroupMembership
    marks: MarkKeeper
    quarantine: Quarantine
    memory: MemoryLimit
    punctuator: Punctuator
    log_ends: LogEnds
    codec: Codec
    registry: SchemaRegistry | None
    partition_count: int
    client_options: dict[str, Any]
    local_copy: LocalCopy
    engine: Engine
    input_topic: str
    topic_prefix: str
    table: JourneyTable
    topic_ids: dict[str, str]

    @property
    def changelog_topic(self) -> str:
        """Name of the table's changelog."""
        return changelog_name(self.conf.id)

    @property
    def store(self) -> JourneyStore:
        """Restored partitions of this worker."""
        store: JourneyStore = self.table.data
        return store

    async def on_stop(self) -> None:
        """Finish and commit the batch in flight while all parts still run, then stop them."""
        await self.journey_agent.barrier()
        await super().on_stop()

    def _crash(self, reason: BaseException) -> None:
        """End the process: a crashed Faust app stops working and waits for services that may never end."""
        if not self._stopped.is_set():
            self.guards.group.check_refusal()  # its reason is the better one
            end_now(WorkerExit.FAILED, f"a part of it crashed: {reason!r}")
        super()._crash(reason)

    def watch_topics(self, identities: Mapping[str, TopicIdentity]) -> None:
        """Require that topics are and stay what they are now, by name: of the table, and while the worker runs."""
        self.topic_ids = ids_of(identities)
        self.task(TopicWatch(lambda: self.batch_producer().client, identities).watch)

    def batch_producer(self) -> Any:
        """The running AIOKafkaProducer: Faust's own send takes one record at a time."""
        return self.producer._producer

    def mark_changelog_read(self, number: int, offset: int) -> None:
        """Tell Faust that this worker knows a changelog up to an offset, so that a rebalance does not read it again."""
        self.tables.recovery.active_offsets[TP(self.changelog_topic, number)] = offset

    async def append(self, number: int, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> Any:
        """Append a value to a partition of the input topic; gives a future of the acknowledgement."""
        return await self.producer.send(self.input_topic, None, value, number, None, list(headers) or None)

    @property
    def held_back(self) -> Collection[TP]:
        """Input partitions of which nothing is fetched: they wait for the schema registry."""
        return self.journey_agent.schemas.waiting

    def input_partitions(self) -> list[int]:
        """Input partitions that are assigned to this worker."""
        return sorted(tp.partition for tp in self.consumer.assignment() if tp.topic == self.input_topic)


def create_app(
    settings: Settings,
    client_options: dict[str, Any],
    partition_count: int,
    catalog: Catalog,
    policy: Policy | None = None,
    local_copy: LocalCopy | None = None,
    instance_id: str | None = None,
    engine: Engine = REFERENCE,
) -> JourneyApp:
    """App of a worker, for existing topics with `partition_count` partitions each.

    `policy` is put in force if another one is; None keeps the policy of the log. `local_copy` keeps rows on disk; None
    keeps none. With `instance_id` the worker is a static member of its group, which gets its partitions back if it
    restarts within the session. `engine` applies the records.
    """
    app = JourneyApp(
        settings.group,
        broker=[f"kafka://{server.strip()}" for server in client_options["bootstrap_servers"].split(",")],
        broker_credentials=faust_credentials(client_options),
        store="memory://",
        datadir=str(settings.data_dir / "faust"),
        Table=JourneyTable,
        TableManager=JourneyTables,
        topic_partitions=partition_count,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        stream_wait_empty=False,
        stream_buffer_maxsize=4,
        stream_recovery_delay=0,
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=settings.session_timeout_seconds / _HEARTBEATS_PER_SESSION,
        broker_rebalance_timeout=_REBALANCE_TIMEOUT_SECONDS,
        broker_request_timeout=max(_REQUEST_TIMEOUT_SECONDS, settings.session_timeout_seconds),
        broker_max_poll_interval=_POLL_INTERVAL_SECONDS,
        broker_commit_interval=_COMMIT_INTERVAL_SECONDS,
        broker_max_poll_records=settings.max_batch_records,
        consumer_max_fetch_size=MAX_MESSAGE_BYTES,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=instance_id,
        producer_linger=0,
        producer_max_batch_size=BATCH_BYTES,
        producer_max_request_size=MAX_MESSAGE_BYTES,
        producer_compression_type=None,
        worker_redirect_stdouts=False,
    )
    app.transport = BatchTransport(app.conf.broker_consumer, app)
    app.input_topic = settings.topic(JOURNEY_EVENTS)
    app.topic_prefix = settings.topic_prefix
    app.partition_count = partition_count
    app.topic_ids = {}
    app.client_options = client_options
    app.engine = engine
    app.codec = Codec(catalog)
    url = settings.schema_registry_url
    app.registry = None if url is None else SchemaRegistry(url, catalog)
    freeze_guard = FreezeGuard(settings.freeze_limit_seconds, settings.session_timeout_seconds)
    worker_id = settings.worker_id or f"{socket.gethostname()}-{os.getpid()}"
    app.local_copy = local_copy or NoLocalCopy()
    app.memory = MemoryLimit(settings.memory_limit_mib)
    app.flusher = Flusher(app, app.codec, freeze_guard, app.local_copy, client_options)
    app.clock_check = ClockCheck()
    app.punctuator = Punctuator(app, app.codec, app.append, worker_id, app.clock_check)
    app.marks = MarkKeeper(settings, lambda: app.store, app.append)
    app.quarantine = Quarantine(settings, app.marks, app.flusher)
    schemas = SchemaDecisions(app, app.registry, app.marks, worker_id)
    app.journey_agent = JourneyAgent(app, app.codec, app.marks, schemas, app.memory, settings.gather_seconds)
    raw: dict[str, Any] = {
        "key_type": bytes,
        "value_type": bytes,
        "key_serializer": "raw",
        "value_serializer": "raw",
        "partitions": partition_count,
    }
    # The buffer size counts messages, and each is a whole fetch here.
    app.table = app.Table(TABLE, recovery_buffer_size=4, key_type=bytes, value_type=bytes, partitions=partition_count)
    app.membership = GroupMembership(partial(_aiokafka_consumer, app))
    app.guards = _guards(app, freeze_guard, settings)
    app.log_ends = LogEnds(app)
    _attach(app, raw, settings, policy)
    return app


def _guards(app: JourneyApp, freeze_guard: FreezeGuard, settings: Settings) -> Guards:
    """Guards of an app whose other parts are there."""
    progress, flushing_since = app.store.progress, app.journey_agent.flushing_since
    admission = Admission(partial(_aiokafka_consumer, app), app.client_options, settings)
    group_guard = GroupGuard(
        app, app.membership, progress, partial(describe_group, settings), app.partition_count, settings
    )
    watchdog = Watchdog(
        app, app.memory, app.punctuator, flushing_since, partial(require_broker, settings, app.client_options)
    )
    return Guards(freeze_guard, LoopGuard(), group_guard, watchdog, admission)


def _aiokafka_consumer(app: JourneyApp) -> Any:
    """The running AIOKafkaConsumer; None before its thread has started it."""
    consumer = None if app._consumer is None else app._consumer._thread._consumer
    return None if consumer is None or consumer._coordinator is None else consumer


def _attach(app: JourneyApp, raw: dict[str, Any], settings: Settings, policy: Policy | None) -> None:
    """Register the agent, the timer and the tasks."""
    app.agent(app.topic(app.input_topic, **raw), name="journeys", concurrency=1)(app.journey_agent.run)
    app.on_partitions_revoked.connect(_barrier)
    app.task(app.log_ends.watch)
    app.timer(settings.punctuation_interval_seconds)(app.punctuator.punctuate)
    if settings.gather_seconds:
        app.timer(settings.gather_seconds / 2)(app.journey_agent.flush_due)
    app.timer(_REPORT_INTERVAL_SECONDS)(app.journey_agent.report)
    if policy is not None:
        wanted = policy

        @app.timer(settings.punctuation_interval_seconds)  # type: ignore[untyped-decorator]  # Faust is not typed
        async def enforce_policy() -> None:
            await app.punctuator.enforce_policy(wanted)


async def _barrier(app: JourneyApp, revoked: Any, **_: Any) -> None:
    """Finish the batch in flight, with all acknowledgements, before the group learns that partitions are released."""
    del revoked
    await app.journey_agent.barrier()
