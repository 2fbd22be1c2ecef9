"""Schema decisions: what the registry says of an unknown schema id becomes a mark before any record is read by it.

While an id's question is open, its partition waits and fetches nothing; the other partitions go on. A registry that is
away makes it wait for as long as that lasts. One that answers, but gives no schema, is asked again for a while: a
follower may lag. Then the refusal is the answer.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Collection, Coroutine, Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from journeys.agents.kafka.schema_registry import schema_ids_of
from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now
from journeys.schemas.catalog import own_schemas, read_schema
from journeys.schemas.codec import HEADER_BYTES
from journeys.schemas.printable import printable
from journeys.schemas.records import SchemaDecided
from journeys.schemas.validation import LONGEST_TEXT

if TYPE_CHECKING:
    from faust.types import TP

    from journeys.agents.kafka.registry_reply import SchemaAnswer
    from journeys.agents.kafka.schema_registry import SchemaRegistry
    from journeys.agents.worker.mark_keeper import MarkKeeper
    from journeys.agents.worker.ports.batch import Batch
    from journeys.agents.worker.ports.worker_ports import Worker
    from journeys.streams.partition.protocols import JourneyPartition

log = logging.getLogger("journeys.schemas")
_PATIENCE_SECONDS: Final = 10.0
"""How long a registry that answers without a schema is asked again."""
_FAULT_PATIENCE_SECONDS: Final = 30.0
"""How long it is if the question for one id fails while others are answered."""
_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 5.0
_LONGEST_RETRY_AFTER_SECONDS: Final = 60.0
_REPORT_EVERY_SECONDS: Final = 30.0
_LOOK_AGAIN_SECONDS: Final = 300.0
"""How often a refused id is asked again while its records still come."""


class SchemaDecisions:
    """Sees to it that each partition has a mark for every schema id that only a registry knows."""

    def __init__(self, worker: Worker, registry: SchemaRegistry | None, marks: MarkKeeper, worker_id: str) -> None:
        """Without a registry nothing is asked, and marks hold all the same."""
        self.waiting: dict[TP, frozenset[int]] = {}
        """Ids whose question is open, by partition."""
        self._worker = worker
        self._registry = registry
        self._marks = marks
        self._worker_id = worker_id
        self._own = {} if registry is None else {registry.catalog.id_of(name): name for name in own_schemas()}
        self._looked_at: dict[tuple[TP, int], float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def undecided(self, partition: JourneyPartition, batch: Batch) -> frozenset[int]:
        """Ids in a batch that neither a mark nor a fingerprint explains; none without a registry."""
        if self._registry is None:
            return frozenset()
        catalog, marks = self._registry.catalog, partition.marks
        if marks.skips_any(batch.first_offset, batch.last_offset):
            ids = schema_ids_of(
                record.value[:HEADER_BYTES]
                for record in batch
                if record.value is not None and marks.skipped_by(record.offset) is None
            )
        else:
            ids = schema_ids_of(batch.schema_prefixes())
        return frozenset(one for one in ids if not (marks.decides(one) or catalog.is_fingerprint(one)))

    def begin(self, tp: TP, ids: frozenset[int]) -> None:
        """Ask for ids that a partition needs; it waits until marks about all of them are in the log."""
        self.waiting[tp] = ids
        self._start(self._decide(tp, ids))

    def look_again(self, tp: TP, partition: JourneyPartition, batch: Batch) -> None:
        """Now and then ask again for refused ids whose records still come: a new mark holds for records behind it."""
        if self._registry is None or not partition.marks:
            return
        now = monotonic()
        for schema_id in schema_ids_of(batch.schema_prefixes()):
            mark = partition.marks.decision(schema_id, batch.last_offset)
            if mark is None or mark.refusal is None:
                continue
            if now - self._looked_at.setdefault((tp, schema_id), now) > _LOOK_AGAIN_SECONDS:
                self._looked_at[tp, schema_id] = now
                self._start(self._ask_again(tp.partition, schema_id))

    def stop(self) -> None:
        """Drop all questions: partitions are released, and whoever gets them asks anew."""
        for task in list(self._tasks):
            task.cancel()
        self.waiting.clear()
        self._looked_at.clear()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("schema ids", exc_info=error)
            end_now(WorkerExit.FAILED, f"schema ids can't be decided: {error!r}")

    async def _decide(self, tp: TP, ids: Collection[int]) -> None:
        log.warning("%s[%d] waits for the schema registry: schema ids %s", *tp, _listed(ids))
        begin = monotonic()
        answers = await asyncio.gather(*(self._decision(tp, schema_id) for schema_id in ids))
        await self._marks.append(tp.partition, answers)
        log.info(
            "%s[%d] goes on after %.1f s: schema ids %s known, %s refused",
            *tp,
            monotonic() - begin,
            _listed(one.schema_id for one in answers if one.refusal is None),
            _listed(one.schema_id for one in answers if one.refusal is not None),
        )
        del self.waiting[tp]
        if tp in self._worker.consumer.next_position:
            self._worker.consumer.seek_back(tp)

    async def _decision(self, tp: TP, schema_id: int) -> SchemaDecided:
        """What is to be written about an id, once the registry has said something that lasts."""
        own = self._own.get(schema_id)
        if own is not None:
            return self._decided(schema_id, json.dumps(own_schemas()[own]))
        assert self._registry is not None
        since = reported_at = monotonic()
        is_fault = False
        pause = _FIRST_PAUSE_SECONDS
        while True:
            answer = await self._registry.ask(schema_id)
            if answer.schema is not None or answer.is_final:
                return self._decided_by(schema_id, answer)
            now = monotonic()
            if is_fault != (answer.fault is not None):  # it is back, or has gone: patience begins anew
                is_fault, since, pause = not is_fault, now, _FIRST_PAUSE_SECONDS
            if answer.fault is None and now - since >= _PATIENCE_SECONDS:
                return self._decided_by(schema_id, answer)
            if (
                answer.fault is not None
                and now - since >= _FAULT_PATIENCE_SECONDS
                and await self._others_are_answered()
            ):
                why = f"the schema registry answers for other ids, not for this one: {answer.fault}"
                return self._decided_by(schema_id, answer._replace(refusal=why))
            if now - reported_at >= _REPORT_EVERY_SECONDS:
                reported_at = now
                log.warning("%s[%d] still waits for schema id %d: %s", *tp, schema_id, answer.fault or answer.refusal)
            asked_for = min(answer.retry_after_seconds or 0.0, _LONGEST_RETRY_AFTER_SECONDS)
            await asyncio.sleep(max(pause, asked_for))
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _others_are_answered(self) -> bool:
        """Whether the registry gives a schema of ours, of which it told the id itself."""
        assert self._registry is not None
        return (await self._registry.ask(self._registry.catalog.id_of("Touchpoint"))).schema is not None

    async def _ask_again(self, number: int, schema_id: int) -> None:
        assert self._registry is not None
        answer = await self._registry.ask(schema_id)
        if answer.schema is None:
            return
        decided = self._decided_by(schema_id, answer)
        if decided.refusal is None:
            log.info("schema id %d was refused in partition %d, and is known from now on", schema_id, number)
            await self._marks.append(number, [decided])

    def _decided_by(self, schema_id: int, answer: SchemaAnswer) -> SchemaDecided:
        if answer.schema is None:
            return self._refused(schema_id, str(answer.refusal))
        found = read_schema(answer.schema)
        if isinstance(found, str):
            return self._refused(schema_id, found)
        return self._decided(schema_id, answer.schema)

    def _decided(self, schema_id: int, schema: str) -> SchemaDecided:
        return SchemaDecided(schema_id, schema=schema, written_by=self._worker_id)

    def _refused(self, schema_id: int, why: str) -> SchemaDecided:
        return SchemaDecided(schema_id, refusal=printable(why)[:LONGEST_TEXT], written_by=self._worker_id)


def _listed(ids: Iterable[int]) -> str:
    found = sorted(ids)
    shown = ", ".join(map(str, found[:10])) or "none"
    return f"{shown} and {len(found) - 10} more" if len(found) > 10 else shown
