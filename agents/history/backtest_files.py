"""Writes results of a backtest as Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
from pyarrow.parquet import ParquetWriter, write_table

from journeys.agents.files.whole_file import whole_file
from journeys.schemas.records import REASONS
from journeys.streams.compiled.backtest_tally import BacktestTally
from journeys.streams.rule.policy import Policy


def write_comparison(path: Path, policies: Sequence[Policy], tallies: Sequence[BacktestTally]) -> None:
    """Write one row for each policy. Sums are int64 micros and ms. Raises OperationError."""
    rows = [_comparison_row(policy, tally) for policy, tally in zip(policies, tallies, strict=True)]
    with whole_file(path) as partial:
        write_table(pa.Table.from_pylist(rows), partial)


def _comparison_row(policy: Policy, tally: BacktestTally) -> dict[str, Any]:
    row: dict[str, Any] = {"policy_version": policy.version}
    for name in BacktestTally.__slots__:
        value = getattr(tally, name)
        if not isinstance(value, list):
            row[name] = value
            continue
        row[name] = sum(value)
        row |= {f"{name}_{reason.lower()}": one for reason, one in zip(REASONS, value, strict=True)}
    row["total_penalty_micros"] = tally.total_penalty_micros
    return row


class AbandonmentFile:
    """Abandonments of all policies in one file. A context manager; raises OperationError."""

    def __init__(self, path: Path, policies: Sequence[Policy]) -> None:
        self._path = path
        self._versions = pa.array([policy.version for policy in policies])
        self._stack = ExitStack()
        self._writer: ParquetWriter | None = None
        self._partial = path

    def add(self, policy: int, abandonments: pa.Table) -> None:
        """Write abandonments under the policy with this index."""
        indices = pa.repeat(pa.scalar(policy, pa.int32()), abandonments.num_rows)
        versions = pa.DictionaryArray.from_arrays(indices, self._versions)
        rows = abandonments.add_column(0, "policy_version", versions)
        if self._writer is None:
            self._writer = self._stack.enter_context(ParquetWriter(self._partial, rows.schema))
        self._writer.write_table(rows)

    def __enter__(self) -> Self:
        self._partial = self._stack.enter_context(whole_file(self._path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is None and error is None:
            write_table(pa.table({"policy_version": pa.array([], pa.string())}), self._partial)
        self._stack.__exit__(kind, error, trace)
