"""Records that a mapping makes of lines of JSON, as it makes them of a file's."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

from pydantic import BaseModel

from journeys.agents.files.raw_table import FILE, LINE, RawTable, connection
from journeys.agents.files.source_file import SourceFile
from journeys.agents.listen.intake import Outcome
from journeys.agents.listen.request_body import Line
from journeys.agents.mapping.mapped_table import MappedTable, shape_of
from journeys.agents.mapping.mapping import Source
from journeys.agents.mapping.mapping_file import InvalidMappingError, LoadedMapping
from journeys.agents.mapping.record_sql import FAULT
from journeys.schemas.invalid import InvalidRecordError

_OWN: Final = (FILE, LINE, "_part", "_n", "_shares", FAULT)
# A line is alone: what its values are among the rows of a window are its own.
_WINDOW: Final = re.compile(r"\b(?:max|min|any_value|first|last)\s*\(([^()]*)\)\s+OVER\s*\([^()]*\)", re.IGNORECASE)
_OVER: Final = re.compile(r"\bOVER\b\s*[(\w]", re.IGNORECASE)
_LEFT_OUT: Final = "the mapping skips it, or has no rule for it"


class LineMapping:
    """A mapping, applied to the lines of one request at a time.

    Each line is alone: an expression over other rows (max(a) OVER (...)) sees this one. A record without an id gets one
    of the request's content and its line, so that a request which comes again has the same ids.
    Raises InvalidMappingError for a mapping that needs other rows to be known.
    """

    def __init__(self, loaded: LoadedMapping) -> None:
        shape = shape_of(loaded.mapping)
        if shape.format not in (None, "jsonl", "json"):
            raise InvalidMappingError(f"{loaded.name}: file.format: {shape.format} is not allowed here; expected JSON")
        rules = (*loaded.mapping.rules, *loaded.mapping.also)
        costs = [fields.cost for fields in (loaded.mapping.fields, *(rule.fields for rule in rules))]
        if any(cost is not None and cost.daily is not None for cost in costs):
            raise InvalidMappingError(
                f"{loaded.name}: fields.cost: daily spend is shared by all touchpoints of a day, which are known when "
                "it is over: give the cost by a column or by channel"
            )
        # What one event has another one lacks: a request without a column is no mistake in the mapping.
        mapping = _of_lines_alone(_with_optional_columns(loaded.mapping))
        if _OVER.search(mapping.model_dump_json()):
            raise InvalidMappingError(
                f"{loaded.name}: an expression looks at other rows (OVER), which a request does not hold: use columns "
                "of the row itself"
            )
        self._loaded = loaded._replace(mapping=mapping)
        self._shape = shape._replace(format="jsonl", encoding="utf-8")
        self._one_at_a_time = asyncio.Lock()

    async def apply(self, lines: list[Line]) -> list[Line | Outcome]:
        """Give a line for each record, under the number of the line that it is of, and an Outcome for the others."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._mapped, lines)

    def _mapped(self, lines: Sequence[Line]) -> list[Line | Outcome]:
        found: list[Line | Outcome] = []
        objects = []
        for line in lines:
            if line.error is None and isinstance(line.value, dict):
                objects.append(line)
            else:
                found.append(line)
        if objects:
            found += self._records(objects)
        made = {one.number if isinstance(one, Line) else one.line for one in found}
        found += [Outcome(line.number, "left_out", why=_LEFT_OUT) for line in objects if line.number not in made]
        return sorted(found, key=lambda one: one.number if isinstance(one, Line) else one.line)

    def _records(self, objects: Sequence[Line]) -> list[Line | Outcome]:
        # Decimals as text: cells are text in any case.
        text = "".join(f"{json.dumps(line.value, default=str)}\n" for line in objects).encode("utf-8", "replace")
        with NamedTemporaryFile(prefix="journeys-listen-", suffix=".jsonl") as file, connection() as database:
            Path(file.name).write_bytes(text)
            source = SourceFile(file.name, "jsonl", name=sha256(text).hexdigest()[:16])
            raw = RawTable(database, [source], self._shape)
            found: list[Line | Outcome] = []
            for cell in raw.bad:
                error = InvalidRecordError.of_reason(f"row: {cell.why}")
                found.append(Line(objects[cell.line - 1].number, None, error))
            try:
                mapped = MappedTable(raw, self._loaded)
            except InvalidMappingError as error:  # an expression over columns that none of these lines has
                return [Line(line.number, None, InvalidRecordError.of_reason(str(error))) for line in objects]
            for batch in mapped.batches(as_logged=True):
                found += _lines_of(batch, objects)
            return found


def _with_optional_columns(part: Any) -> Any:
    """A part of a mapping whose sources may all lack their columns."""
    if isinstance(part, BaseModel):
        given = {name: getattr(part, name) for name in part.model_fields_set}
        changed = {name: new for name, old in given.items() if (new := _with_optional_columns(old)) is not old}
        if isinstance(part, Source):
            changed["optional"] = True
        return part.model_copy(update=changed) if changed else part
    if isinstance(part, tuple) and any(isinstance(one, BaseModel) for one in part):
        return tuple(map(_with_optional_columns, part))
    if isinstance(part, dict) and any(isinstance(one, BaseModel) for one in part.values()):
        return {name: _with_optional_columns(one) for name, one in part.items()}
    return part


def _of_lines_alone(part: Any) -> Any:
    """A part of a mapping whose windows hold the row itself alone."""
    if isinstance(part, str):
        return _WINDOW.sub(r"(\1)", part)
    if isinstance(part, BaseModel):
        given = {name: getattr(part, name) for name in part.model_fields_set}
        changed = {name: new for name, old in given.items() if (new := _of_lines_alone(old)) != old}
        return part.model_copy(update=changed) if changed else part
    if isinstance(part, tuple):
        return tuple(map(_of_lines_alone, part))
    if isinstance(part, dict):
        return {name: _of_lines_alone(one) for name, one in part.items()}
    return part


def _lines_of(batch: Any, objects: Sequence[Line]) -> list[Line | Outcome]:
    names = [name for name in batch.schema.names if name not in _OWN]
    columns = [batch.column(name).to_pylist() for name in names]
    lines = batch.column(LINE).to_pylist()
    faults = batch.column(FAULT).to_pylist()
    found: list[Line | Outcome] = []
    for place, cells in enumerate(zip(*columns, strict=True)):
        number = objects[lines[place] - 1].number
        fault = faults[place]
        error = None if fault is None else InvalidRecordError.of_reason(fault)
        found.append(Line(number, None if error else dict(zip(names, cells, strict=True)), error))
    return found
