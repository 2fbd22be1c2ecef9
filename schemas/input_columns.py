"""A batch of the input topic by columns: its touchpoints, all of them valid, and where the other values stand.

For who applies touchpoints without making a record of each. Channel and event type are left out: no rule looks at them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from schemas.codec import HEADER_BYTES, Codec, head_of
from schemas.columns import whole_arrays_of
from schemas.identity import touchpoint_hashes
from schemas.records import Touchpoint
from schemas.valid_columns import are_valid
from schemas.validation import LONGEST_TEXT

_NAME: Final = "Touchpoint"


class InputColumns(NamedTuple):
    """Touchpoints of a batch. `runs` has where they stand without others between them: first place, and how many."""

    runs: list[tuple[int, int]]
    keys: list[bytes]
    """The journeys' ids in UTF-8: what their records' keys must be."""
    id_hashes: list[bytes]
    fields: tuple[list[Any], ...]
    """In the order of `Touchpoint`, touchpoint ids in UTF-8; empty where they are left out."""


def input_columns(values: Sequence[bytes | None], codec: Codec, fewest: int) -> InputColumns | None:
    """Columns of a batch's touchpoints; None where they are fewer, and where one of them is not plainly valid."""
    writer = codec.catalog.writer(codec.catalog.id_of(_NAME))
    if not writer.has_columns:
        return None
    runs = list(_runs(values, head_of(codec.catalog.id_of(_NAME))))
    alike = [value for begin, count in runs for value in values[begin : begin + count]]
    # What is longer may hold a text that is too long, or be too large altogether.
    if len(alike) < max(fewest, 1) or max(map(len, alike)) > LONGEST_TEXT:  # type: ignore[arg-type]  # by their head
        return None
    arrays = whole_arrays_of([value[HEADER_BYTES:] for value in alike], writer.plain_json)  # type: ignore[index]  # the same
    if arrays is None or not are_valid(arrays):
        return None
    named = dict(zip(Touchpoint._fields, arrays, strict=True))
    fields = tuple(_BY_FIELD.get(name, _values)(array) for name, array in named.items())
    keys = _texts_as_bytes(named["journey_id"])
    return InputColumns(runs, keys, touchpoint_hashes(fields[_TOUCHPOINT_ID]), fields)


def _runs(values: Sequence[bytes | None], head: bytes) -> Iterator[tuple[int, int]]:
    """Where values of this head stand one behind the other: first place, and how many."""
    others = [place for place, value in enumerate(values) if value is None or value[:HEADER_BYTES] != head]
    begin = 0
    for place in [*others, len(values)]:
        if place > begin:
            yield begin, place - begin
        begin = place + 1


def _values(array: Any) -> list[Any]:
    values: list[Any] = array.to_pylist()
    return values


def _texts_as_bytes(array: Any) -> list[bytes]:
    values: list[bytes] = array.cast("binary").to_pylist()
    return values


def _shared(array: Any) -> list[Any]:
    """Texts of which there are few: equal ones are one object, in all batches."""
    coded = array.dictionary_encode()
    texts = [*map(sys.intern, coded.dictionary.to_pylist()), None]
    return [texts[code] for code in coded.indices.fill_null(len(texts) - 1).to_pylist()]


def _none(_: Any) -> list[Any]:
    """What is left out."""
    return []


_TOUCHPOINT_ID: Final = Touchpoint._fields.index("touchpoint_id")
_BY_FIELD: Final[dict[str, Callable[[Any], list[Any]]]] = {
    "touchpoint_id": _texts_as_bytes,
    "channel": _none,
    "event_type": _none,
    "state": _shared,
    "policy_version": _shared,
}
