"""Settings: environment variables JOURNEYS_*, a file .env, or options of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from journeys.agents.settings.security_fault import security_fault
from journeys.schemas.topics import DEFAULT_PARTITION_COUNT
from journeys.streams.compiled.engine_choice import EngineSetting


class Settings(BaseSettings):
    """All settings with their defaults. Durations are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="JOURNEYS_",
        env_file=".env",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # what is wrong with one setting must not show another, least of all a password
    )

    bootstrap_servers: str | None = None
    """Kafka to use; None takes the broker for development that `journeys broker start` started."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = "PLAINTEXT"
    """How clients talk to Kafka; a password never goes over a connection without TLS."""
    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] | None = None
    """How a password is proved; None with SASL_SSL is SCRAM-SHA-512."""
    sasl_username: Annotated[str, Field(min_length=1)] | None = None
    sasl_password: Annotated[SecretStr, Field(min_length=1)] | None = None
    sasl_password_file: Path | None = None
    """File whose text, without the line's end, is the password."""
    tls_ca_file: Path | None = None
    """Authorities (PEM) that may have signed the broker's certificate; None takes those of the system."""
    tls_cert_file: Path | None = None
    """Certificate (PEM) by which Kafka knows this client, with those between it and the authority."""
    tls_key_file: Path | None = None
    """Private key (PEM) of the certificate; it may be in the same file."""
    tls_key_password: Annotated[SecretStr, Field(min_length=1)] | None = None
    tls_key_password_file: Path | None = None
    """File whose text, without the line's end, is the password of the key."""
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
    memory_limit_mib: Annotated[int, Field(ge=1)] | None = None
    """A worker that holds so much memory takes no more input until there is room; None never looks."""
    engine: EngineSetting = "auto"
    """What applies records: the compiled engine, or the reference in Python; `auto` takes the first that is there."""
    max_batch_records: Annotated[int, Field(ge=1)] = 10_000
    """Records of one poll."""
    gather_seconds: Annotated[float, Field(ge=0, le=10)] = 1.0
    """While input is waiting, a worker stores its rows only so often, each row once; 0 stores after every poll."""
    bigquery_project: Annotated[str, Field(min_length=1)] | None = None
    """Project of the tables in BigQuery; None takes the emulator that `journeys stack up` started."""
    bigquery_dataset: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,1024}$")] = "journeys"
    """Dataset of the tables."""
    bigquery_endpoint: str | None = None
    """URL of an emulator of BigQuery, which is asked without credentials; None is BigQuery itself."""
    bigquery_grpc_endpoint: str | None = None
    """The emulator's Storage Write API, as host:port."""
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] | None = None
    """Port on which a worker gives its figures to Prometheus; 0 takes a free one, None gives none."""
    metrics_host: str = "127.0.0.1"
    """Address of that port; the figures are readable for whoever reaches it."""
    worker_id: str | None = None
    """Name of a worker in logs and punctuations; None makes one of host and process."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"

    @model_validator(mode="after")
    def _require_whole_security(self) -> Self:
        fault = security_fault(self)
        if fault is not None:
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _require_a_guard_that_is_in_time(self) -> Self:
        # The last heartbeat may lie a fifth of a session before the freeze: see agents/worker/app.py.
        if 5 * self.freeze_limit_seconds >= 4 * self.session_timeout_seconds:
            raise ValueError(
                f"JOURNEYS_FREEZE_LIMIT_SECONDS is {self.freeze_limit_seconds:g}, it must be less than four fifths of "
                f"JOURNEYS_SESSION_TIMEOUT_SECONDS ({self.session_timeout_seconds:g}): a worker that stood still must "
                "end itself before its partitions are given to others"
            )
        return self


SECRETS: Final = frozenset({"sasl_password", "tls_key_password"})
"""Names of the settings that are never shown."""


def faults_of(error: ValidationError) -> str:
    """What is wrong with settings, in one line; of a secret, and of several that do not go together, without values."""
    return "; ".join(map(_told, error.errors()))


def _told(fault: Any) -> str:
    if not fault["loc"]:
        return str(fault["ctx"]["error"])
    name = ".".join(map(str, fault["loc"]))
    value = "its value" if fault["loc"][0] in SECRETS else repr(fault["input"])
    return f"setting {name}: {value} is not allowed: {fault['msg']}"
