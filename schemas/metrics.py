"""Names of the figures that are scraped, of whoever exposes them: docs/metrics.md says what to make of each."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple


class Metric(NamedTuple):
    """One name. Counters are named without the `_total` that Prometheus adds."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    text: str
    labels: tuple[str, ...] = ()
    """Beside `application` and `mode` (`worker`, `sink`, `embedded`, `connected`), which all of them have."""


class Distribution(NamedTuple):
    """Value of a histogram."""

    bounds: tuple[float, ...]
    """Upper bounds of the classes, ascending."""
    counts: tuple[int, ...]
    """How many fell into each class and not into the one before; those beyond all bounds at the end."""
    total: float


class Sample(NamedTuple):
    """A figure at the moment of the scrape, with the values of the metric's own labels."""

    metric: Metric
    value: float | Distribution
    labels: tuple[str, ...] = ()


BUILD_INFO: Final = Metric("journeys_build_info", "gauge", "1, of this build", ("version", "engine", "python"))
READY: Final = Metric("journeys_ready", "gauge", "1 while the process does its work, as /ready says")
NOT_READY: Final = Metric("journeys_not_ready", "gauge", "1 for each reason why it does not", ("reason",))
HEALTHY: Final = Metric(
    "journeys_store_healthy", "gauge", "1 if the last attempt to reach the store (Kafka, or the file) went well"
)
ACTIVE: Final = Metric("journeys_active", "gauge", "Journeys with an open episode")
HELD: Final = Metric("journeys_held", "gauge", "Journeys that have a row, those among them that have ended")
ABANDONMENTS: Final = Metric("journeys_abandonments", "counter", "Abandonments by reason", ("reason",))
PENALTY: Final = Metric("journeys_penalty_dollars", "counter", "Penalties, opportunity costs among them")
AVERAGE_PENALTY: Final = Metric(
    "journeys_average_penalty_dollars", "gauge", "Average total penalty of the abandonments since the start"
)
TIMEOUT_SHARE: Final = Metric(
    "journeys_timeout_share", "gauge", "Share of the abandonments since the start that came by deadline"
)
DETECTION_DELAY: Final = Metric(
    "journeys_detection_delay_seconds", "histogram", "How long after its end an abandonment was detected"
)
APPLIED: Final = Metric("journeys_applied", "counter", "Records that changed a journey")
LATE: Final = Metric(
    "journeys_late_touchpoints", "counter", "Touchpoints that lie before the end of an earlier episode"
)
DUPLICATES: Final = Metric("journeys_duplicates", "counter", "Records whose id was known")
REFUSED: Final = Metric("journeys_refused", "counter", "Requests and registrations that were refused")
DEAD_LETTERS: Final = Metric("journeys_dead_letters", "counter", "Records that could not be taken")
FORGOTTEN: Final = Metric("journeys_forgotten", "counter", "Rows of ended journeys that cleanup deleted")
CLEANUP_LAG: Final = Metric(
    "journeys_cleanup_lag_seconds", "gauge", "How long the row that waits longest for its deletion is overdue; 0: none"
)
CLOCK_LAG: Final = Metric(
    "journeys_clock_lag_seconds", "gauge", "Time since the last punctuation that was applied", ("partition",)
)
CLOCK_DIFFERENCE: Final = Metric(
    "journeys_clock_difference_seconds",
    "gauge",
    "How far this worker's clock was ahead of the broker's at its last punctuation; below 0: behind",
    ("partition",),
)
RECORD_LAG: Final = Metric(
    "journeys_lag_records", "gauge", "Records of the input topic that wait to be applied", ("partition",)
)
NEXT_OFFSET: Final = Metric(
    "journeys_next_offset", "gauge", "Offset of the input record that is applied next", ("partition",)
)
INPUT_PARTITIONS: Final = Metric("journeys_input_partitions", "gauge", "Partitions of the input topic")
OWNED: Final = Metric("journeys_partition_owned", "gauge", "1 for each partition that is restored", ("partition",))
RESTORING: Final = Metric("journeys_restoring", "gauge", "1 while rows are being restored")
RESTORE_READ: Final = Metric(
    "journeys_restore_read_records", "gauge", "Changelog records read by the restore under way, or by the last one"
)
RESTORE_REMAINING: Final = Metric(
    "journeys_restore_remaining_records", "gauge", "Changelog records that the restore under way has yet to read"
)
RESTORE_SECONDS: Final = Metric("journeys_restore_seconds", "gauge", "How long the last restore took")
LONGEST_HOLD: Final = Metric(
    "journeys_longest_hold_seconds",
    "gauge",
    "Longest time since the start for which one call kept all other threads from running",
    ("clock",),
)
MEMORY: Final = Metric("journeys_memory_bytes", "gauge", "Resident memory of the whole process")
MEMORY_PER_JOURNEY: Final = Metric(
    "journeys_memory_bytes_per_journey", "gauge", "That, divided by the journeys that have a row"
)
MEMORY_LIMIT: Final = Metric(
    "journeys_memory_limit_reached", "gauge", "1 while no input is taken because there is no room"
)
DROPPED_BATCHES: Final = Metric(
    "journeys_dropped_batches", "counter", "Fetched batches that were not the next ones, and are fetched again"
)
SCHEMA_IDS_WAITING: Final = Metric(
    "journeys_schema_ids_waiting",
    "gauge",
    "Schema ids for which partitions wait, because the schema registry has not answered yet",
)
REDIS_BREAKER: Final = Metric(
    "journeys_redis_breaker", "gauge", "1 for the state that Redis's circuit breaker is in", ("state",)
)
REDIS_OPENINGS: Final = Metric(
    "journeys_redis_breaker_openings", "counter", "How often Redis's circuit breaker has opened"
)
REDIS_REBUILDS: Final = Metric("journeys_redis_rebuilds", "counter", "How often Redis was filled anew")
SINK_ROWS: Final = Metric("journeys_sink_rows", "counter", "Rows that BigQuery has taken")
SINK_REFUSED: Final = Metric(
    "journeys_sink_refused", "counter", "Records that can't become a row: dead letters of the sink"
)
SINK_LAG: Final = Metric(
    "journeys_sink_lag_records", "gauge", "Records that wait to be written", ("topic", "partition")
)
