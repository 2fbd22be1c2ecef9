"""Schemas of the records that dead letters are about: as marks of their partition say, else as a registry says now."""

from __future__ import annotations

from journeys.agents.inspect.dead_letters import Place
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.schema_registry import fetch_schemas, schema_ids_of
from journeys.agents.kafka.topic_setup import UnknownTopicError
from journeys.agents.settings.settings import Settings
from journeys.schemas.catalog import Catalog
from journeys.schemas.codec import HEADER_BYTES
from journeys.schemas.marks import Marks
from journeys.schemas.topics import JOURNEY_EVENTS


class LetterSchemas:
    """Catalogs for single records. The marks of a partition are read once, when they are needed first."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self._settings = settings
        self._catalog = catalog
        self._marks: dict[int, Marks] = {}

    async def of(self, place: Place, value: bytes | None) -> Catalog:
        """Catalog under which the value of the record at a place is to be read.

        An id that a mark refuses is asked for again: the cause may be fixed. Raises as `open_log` and `fetch_schemas`.
        """
        for schema_id in schema_ids_of([(value or b"")[:HEADER_BYTES]]):
            if place.topic == JOURNEY_EVENTS and not self._catalog.is_fingerprint(schema_id):
                marks = await self._marks_of(place.partition)
                mark = marks.decision(schema_id, place.offset)
                if mark is not None and mark.schema is not None:
                    return marks.catalog_at(self._catalog, place.offset)
        await fetch_schemas(self._settings, self._catalog, [value])
        return self._catalog

    async def _marks_of(self, partition: int) -> Marks:
        if partition not in self._marks:
            try:
                async with open_log(self._settings, JOURNEY_EVENTS, catalog=None) as log:
                    known = partition in log.end_offsets
                    self._marks[partition] = await log.marks(partition) if known else Marks()
            except UnknownTopicError:
                self._marks[partition] = Marks()
        return self._marks[partition]
