"""Offline dataset of journeys: Parquet in RLlib's columns, one row for each step.

    export_dataset("steps.parquet", as_of=datetime(2026, 1, 1, tzinfo=UTC))

docs/trainer.md explains each column. The log is replayed, so that observations hold nothing that became known after
their step, and the dataset nothing that became known after `as_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from numbers import Integral
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from journeys.agents.files.whole_file import whole_file
from journeys.schemas.identity import abandonment_id
from journeys.schemas.money import MICROS
from journeys.schemas.records import Touchpoint
from training_orchestrator.api.configuration import ConfigurationError, user_path
from training_orchestrator.api.local_time import wanted_instant
from training_orchestrator.feed.feed_items import RewardRule
from training_orchestrator.feed.feed_progress import CorrectionRule, require_sums
from training_orchestrator.rewards.credit import CreditRule, credit
from training_orchestrator.rewards.episode_steps import EpisodeSteps, Rewards, StepRecorder
from training_orchestrator.rewards.episode_view import EpisodeView, numbers_of, spend_of
from training_orchestrator.runtime.loop_thread import LoopThread
from training_orchestrator.sources.recorded_log import RecordedLog, recorded_log

Observation: TypeAlias = Callable[[EpisodeView], Sequence[float]]
Action: TypeAlias = Callable[[Touchpoint], int | Sequence[float]]
_GROUP_ROWS: Final = 16_384


@dataclass(frozen=True, slots=True)
class ExportedDataset:
    """Summary of a written file. `credited + uncredited` is the sum of the rewards of a feed as of the same instant.

    `credited` is the part in the rows, `uncredited` that of episodes without an action; exact to a millionth.
    """

    path: Path
    rows: int
    episodes: int
    credited: float
    uncredited: float


def export_dataset(  # noqa: PLR0913  (each is a setting with a default)
    path: Path | str,
    *,
    store_path: Path | str | None = None,
    bootstrap_servers: str | None = None,
    as_of: datetime | None = None,
    rewards: RewardRule | None = None,
    corrections: CorrectionRule | None = None,
    rule: CreditRule = "last_touch",
    half_life_days: float = 7.0,
    observation: Observation = numbers_of,
    action: Action = spend_of,
) -> ExportedDataset:
    """Write the steps of all journeys of a store or of a Kafka into one file, which appears only when it is whole.

    Without `store_path` and `bootstrap_servers`, those of a manager without arguments. `as_of`: only what was known
    then; open journeys are cut off there (`truncateds`). `observation` makes numbers of the episode before a step,
    `action` of the touchpoint that it bought (a whole number is a discrete action). Blocks; memory grows with the
    journeys that are open or may be corrected, not with the log. Raises ConfigurationError, StoreUnavailableError,
    OperationError.
    """
    credit(0, [], rule, half_life_days)  # raises for a wrong rule before the log is read
    reward_rules = Rewards(rewards or RewardRule(), corrections or CorrectionRule(), rule, half_life_days)
    require_sums(reward_rules.rewards, reward_rules.corrections)
    log = recorded_log(store_path, bootstrap_servers)
    target = user_path(path, "path")
    thread = LoopThread()
    try:
        with whole_file(target) as partial:
            writer = _StepWriter(partial, observation, action)
            recorders = thread.run(_export(log, reward_rules, wanted_instant(as_of, "as_of"), writer))
    finally:
        thread.close()
    return ExportedDataset(
        target,
        writer.rows,
        writer.episodes,
        sum(each.credited_micros for each in recorders) / MICROS,
        sum(each.uncredited_micros for each in recorders) / MICROS,
    )


async def _export(log: RecordedLog, rewards: Rewards, as_of: int | None, writer: _StepWriter) -> list[StepRecorder]:
    recorders = []
    with writer:
        async for partition, batches in log.partitions():
            recorder = StepRecorder(partition, rewards, as_of)
            async with aclosing(batches):
                async for entries in batches:
                    for entry in entries:
                        writer.write(recorder.take(entry))
            writer.write(recorder.rest())
            recorders.append(recorder)
    return recorders


class _StepWriter:
    """Writes episodes as consecutive rows; buffers one row group."""

    def __init__(self, path: Path, observation: Observation, action: Action) -> None:
        self.rows = 0
        self.episodes = 0
        self._path = path
        self._observation = observation
        self._action = action
        self._width: int | None = None
        self._rows: list[dict[str, Any]] = []
        self._writer: ParquetWriter | None = None

    def __enter__(self) -> None:
        """Nothing to do: the file is created with the first row group."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write the buffered rows and close the file; a file without rows has its columns, too."""
        if kind is None:
            self._write_group()
        if self._writer is not None:
            self._writer.close()

    def write(self, episodes: Iterable[EpisodeSteps]) -> None:
        """Write the steps of episodes. Raises ConfigurationError."""
        for episode in episodes:
            if not episode.steps:
                continue
            self.episodes += 1
            self._rows += self._rows_of(episode)
            if len(self._rows) >= _GROUP_ROWS:
                self._write_group()

    def _rows_of(self, episode: EpisodeSteps) -> list[dict[str, Any]]:
        observations = [self._observe(step.before.view(step.touchpoint.occurred_at)) for step in episode.steps]
        observations.append(self._observe(episode.end.view(episode.ended_at)))
        eps_id = abandonment_id(episode.journey_id, episode.end.started_at)
        rows = []
        for t, step in enumerate(episode.steps):
            is_last = t == len(episode.steps) - 1
            touchpoint = step.touchpoint
            conversion = step.conversion_micros
            rows.append(
                {
                    "eps_id": eps_id,
                    "t": t,
                    "obs": observations[t],
                    "actions": self._action(touchpoint),
                    "rewards": (step.late_micros + conversion) / MICROS,
                    "new_obs": observations[t + 1],
                    "terminateds": is_last and episode.terminated,
                    "truncateds": is_last and not episode.terminated,
                    "action_prob": touchpoint.propensity,
                    "policy_version": touchpoint.policy_version,
                    "action_id": touchpoint.action_id,
                    "journey_id": episode.journey_id,
                    "occurred_at": touchpoint.occurred_at,
                    "outcome": episode.outcome,
                    "late_rewards": step.late_micros / MICROS,
                    "conversion_rewards": conversion / MICROS,
                    "costs": touchpoint.cost_micros / MICROS,
                    "rule_policy_version": episode.rule_policy_version,
                }
            )
        return rows

    def _observe(self, view: EpisodeView) -> Sequence[float]:
        numbers = self._observation(view)
        self._width = len(numbers) if self._width is None else self._width
        if len(numbers) != self._width:
            raise ConfigurationError(f"observation: {len(numbers)} numbers for {view}, and {self._width} before it")
        return numbers

    def _write_group(self) -> None:
        if self._writer is None:
            is_discrete = bool(self._rows) and isinstance(self._rows[0]["actions"], Integral)
            self._writer = ParquetWriter(self._path, _schema(is_discrete=is_discrete), compression="zstd")
        if self._rows:
            try:
                table = pa.Table.from_pylist(self._rows, schema=self._writer.schema)
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise ConfigurationError(
                    f"observation or action: another type than in earlier rows: {error}"
                ) from error
            self._writer.write_table(table)
            self.rows += len(self._rows)
            self._rows.clear()


def _schema(*, is_discrete: bool) -> Any:
    numbers, text, share = pa.list_(pa.float32()), pa.string(), pa.float64()
    kinds = {
        "eps_id": text,
        "t": pa.int32(),
        "obs": numbers,
        "actions": pa.int64() if is_discrete else numbers,
        "rewards": share,
        "new_obs": numbers,
        "terminateds": pa.bool_(),
        "truncateds": pa.bool_(),
        "action_prob": share,
        "policy_version": text,
        "action_id": text,
        "journey_id": text,
        "occurred_at": pa.int64(),  # milliseconds: RLlib makes no tensor of timestamps
        "outcome": text,
        "late_rewards": share,
        "conversion_rewards": share,
        "costs": share,
        "rule_policy_version": text,
    }
    missing = {"action_prob", "policy_version"}
    return pa.schema([pa.field(name, kind, nullable=name in missing) for name, kind in kinds.items()])
