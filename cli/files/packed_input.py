"""History of any kind as one packed file: as it is, or packed into the temporary folder for as long as it is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from journeys.cli.files.history_input import history_input, require_records, shown_name, tell_left_out, tell_order
from journeys.cli.output import print_error

_SMALL_FILE = 2**20


class PackedCounts(NamedTuple):
    """What was packed."""

    records: int
    journeys: int
    bad_lines: int


def pack_input(
    paths: Sequence[str],
    output: Path,
    *,
    mapping: str | None,
    sort: bool,
    as_logged: bool,
    memory: int,
    quiet: bool,
    what: str,
) -> PackedCounts:
    """Pack history into a file; bad lines and what a mapping leaves out are told.

    Raises UnreadableFileError, InvalidMappingError, and OperationError without the compiled engine, which `what` needs.
    """
    from journeys.agents.history.backtest import required_engine
    from journeys.agents.history.history_buckets import MIB, HistoryBuckets
    from journeys.agents.history.history_columns import history_batches
    from journeys.agents.history.log_order import LogOrder
    from journeys.agents.history.packed_history import pack
    from journeys.cli.files.bad_lines import BadLines

    bad_lines = BadLines(shown_name(paths))
    order = LogOrder()
    with (
        history_input(paths, mapping=mapping, sort=sort, as_logged=as_logged) as file,
        required_engine(what),
        HistoryBuckets(file.size_bytes() or _SMALL_FILE, memory * MIB, with_names=True) as buckets,
    ):
        clock = buckets.fill(order.watched_batches(history_batches(file, bad_lines.add)))
        require_records(file, buckets.records, bad_lines.count)
        journeys = pack(buckets, clock, output, bad_lines.count)
        bad_lines.close()
        tell_left_out(file, quiet=quiet)
        tell_order(file, order)
    return PackedCounts(buckets.records, journeys, bad_lines.count)


@contextmanager
def packed_input(
    paths: Sequence[str], *, mapping: str | None, sort: bool, as_logged: bool, memory: int, quiet: bool, what: str
) -> Iterator[str]:
    """Path of a packed file with the history of these. Raises as `pack_input`."""
    from journeys.agents.history.backtest import require_engine
    from journeys.agents.history.packed_history import PackedHistory, is_packed

    if len(paths) == 1 and is_packed(paths[0]):
        require_engine(what)
        left_out = PackedHistory(paths[0]).bad_lines
        if left_out:
            print_error(f"{paths[0]}: {left_out:,} bad lines were left out when it was packed")
        yield paths[0]
        return
    with TemporaryDirectory(prefix="journeys-") as folder:
        packed = Path(folder) / "packed.parquet"
        pack_input(
            paths, packed, mapping=mapping, sort=sort, as_logged=as_logged, memory=memory, quiet=quiet, what=what
        )
        yield str(packed)
