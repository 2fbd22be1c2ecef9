"""Settings: environment variables JOURNEYS_*, a file .env, or options of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.topics import DEFAULT_PARTITION_COUNT


class Settings(BaseSettings):
    """All settings with their defaults. Durations are in seconds."""

    model_config = SettingsConfigDict(env_prefix="JOURNEYS_", env_file=".env", extra="ignore", frozen=True)

    bootstrap_servers: str | None = None
    """Kafka to use; None takes the broker for development that `journeys broker start` started."""
    application_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = "journeys"
    """Consumer group, and prefix of the changelog's name."""
    partitions: Annotated[int, Field(ge=1, le=10_000)] = DEFAULT_PARTITION_COUNT
    """Partitions of every topic that is created; topics that exist decide for themselves."""
    replication_factor: Annotated[int, Field(ge=1)] = 1
    create_topics: bool = True
    """Whether a worker creates topics that are missing."""
    policy: Path | None = None
    """Policy file that a worker brings; None takes the one in the log."""
    schema_registry_url: str | None = None
    """Confluent-compatible schema registry; None writes fingerprints as schema ids."""
    store: Literal["memory://", "rocksdb://"] = "memory://"
    """Where a worker keeps its rows beside the changelog: in memory alone, or on its disk too (extra `rocksdb`)."""
    data_dir: Path = Path(".journeys")
    """Folder of the broker for development, and of rows on disk (`tables/`)."""
    punctuation_interval_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    """How often a worker looks whether a deadline has come."""
    session_timeout_seconds: Annotated[float, Field(ge=1)] = 6.0
    """After this long without a heartbeat the group takes a worker's partitions away."""
    static_membership: bool = True
    """Whether a worker that was killed and comes back within the session gets its partitions without a rebalance."""
    freeze_limit_seconds: Annotated[float, Field(gt=0.2)] = 2.0
    """A worker that finds itself stopped longer than this ends itself: others may own its partitions."""
    max_batch_records: Annotated[int, Field(ge=1)] = 5_000
    """Records of one poll."""
    worker_id: str | None = None
    """Name of a worker in logs and punctuations; None makes one of host and process."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"
