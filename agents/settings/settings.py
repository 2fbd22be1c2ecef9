"""Settings: environment variables JOURNEYS_*, a file .env, or options of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from journeys.agents.settings.foreign_env import env_file_to_read
from journeys.agents.settings.security_fault import security_fault
from journeys.schemas.topics import DEFAULT_PARTITION_COUNT, Topic, topic_map
from journeys.streams.compiled.engine_choice import EngineSetting


def _of_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(str(error)) from None


UserPath = Annotated[Path, AfterValidator(_of_home)]
"""A path in which `~` is the user's home: no shell has read the file .env."""


class Settings(BaseSettings):
    """All settings with their defaults. Durations are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="JOURNEYS_",
        env_file=".env",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # an error in one setting must not show the value of another, such as a password
    )

    def __init__(self, **given: Any) -> None:
        """Raise ValidationError, and UnreadableEnvError for a file .env that names our settings and is no UTF-8."""
        super().__init__(**given if "_env_file" in given else given | {"_env_file": env_file_to_read()})

    bootstrap_servers: str | None = None
    """Kafka's bootstrap servers; None uses the development broker of `journeys broker start`."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = "PLAINTEXT"
    """Protocol to Kafka; a password is never sent over a connection without TLS."""
    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] | None = None
    """SASL mechanism; None with SASL_SSL is SCRAM-SHA-512."""
    sasl_username: Annotated[str, Field(min_length=1)] | None = None
    sasl_password: Annotated[SecretStr, Field(min_length=1)] | None = None
    sasl_password_file: UserPath | None = None
    """File with the password; its final line break is ignored."""
    tls_ca_file: UserPath | None = None
    """Trusted certificate authorities (PEM) for the broker's certificate; None uses those of the system."""
    tls_cert_file: UserPath | None = None
    """Client certificate (PEM), followed by its intermediate certificates."""
    tls_key_file: UserPath | None = None
    """Private key (PEM) of the client certificate; it may be in the same file."""
    tls_key_password: Annotated[SecretStr, Field(min_length=1)] | None = None
    tls_key_password_file: UserPath | None = None
    """File with the password of the key; its final line break is ignored."""
    application_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = "journeys"
    """Consumer group, and prefix of the changelog's name."""
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,100}$")] = ""
    """In front of every topic's and group's name, so that several environments share a Kafka; ids leave it out."""
    partitions: Annotated[int, Field(ge=1, le=10_000)] = DEFAULT_PARTITION_COUNT
    """Partition count of topics that are created; new ones get the count of existing ones."""
    replication_factor: Annotated[int, Field(ge=1)] | None = None
    """Copies of each topic that is created; None makes 3, or as many as there are brokers. 1 says that it is meant."""
    create_topics: bool = True
    """Whether a worker creates topics that are missing."""
    policy: UserPath | None = None
    """Policy file that a worker puts in force; None keeps the policy of the log."""
    schema_registry_url: str | None = None
    """Confluent-compatible schema registry; None writes fingerprints as schema ids."""
    store: Literal["memory://", "rocksdb://"] = "memory://"
    """Where a worker keeps its rows, besides the changelog: in memory only, or on disk, too (extra `rocksdb`)."""
    data_dir: UserPath = Path(".journeys")
    """Folder of the development servers, and of rows on disk (`tables/`)."""
    punctuation_interval_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    """How often a worker checks for due deadlines."""
    session_timeout_seconds: Annotated[float, Field(ge=1)] = 6.0
    """After this time without a heartbeat the group gives a worker's partitions to others."""
    static_membership: bool = True
    """Whether a worker that restarts within the session gets its partitions back without a rebalance."""
    freeze_limit_seconds: Annotated[float, Field(gt=0.2)] = 2.0
    """A worker whose process was suspended for longer than this ends itself: others may own its partitions."""
    memory_limit_mib: Annotated[int, Field(ge=1)] | None = None
    """A worker that holds this much memory takes no input until memory is freed; None sets no limit."""
    engine: EngineSetting = "auto"
    """What applies records: the compiled engine, or the reference in Python; `auto` takes the first that is there."""
    max_batch_records: Annotated[int, Field(ge=1)] = 10_000
    """Most records of one poll."""
    gather_seconds: Annotated[float, Field(ge=0, le=10)] = 1.0
    """While input is waiting, a worker stores changed rows at this interval, each once; 0 stores after every poll."""
    bigquery_project: Annotated[str, Field(min_length=1)] | None = None
    """Google Cloud project of the tables; None uses the emulator of `journeys stack up`."""
    bigquery_dataset: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,1024}$")] = "journeys"
    """BigQuery dataset of the tables."""
    bigquery_endpoint: str | None = None
    """URL of a BigQuery emulator, which is used without credentials; None is BigQuery itself."""
    bigquery_grpc_endpoint: str | None = None
    """Address of the emulator's Storage Write API, as host:port."""
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] | None = None
    """Port for health and Prometheus metrics; 0 uses a free port, None opens none."""
    metrics_host: str = "127.0.0.1"
    """Address of that port."""
    metrics_tls_cert_file: UserPath | None = None
    """Certificate (PEM) of that port, followed by its intermediate certificates; None serves without TLS."""
    metrics_tls_key_file: UserPath | None = None
    """Private key (PEM) of that certificate; it may be in the same file."""
    metrics_tls_key_password: Annotated[SecretStr, Field(min_length=1)] | None = None
    metrics_tls_key_password_file: UserPath | None = None
    """File with the password of that key; its final line break is ignored."""
    metrics_token: Annotated[SecretStr, Field(min_length=1)] | None = None
    """Bearer token that whoever reads the metrics must send; None asks for none."""
    metrics_token_file: UserPath | None = None
    """File with that token; its final line break is ignored."""
    listen_keys: Annotated[SecretStr, Field(min_length=1)] | None = None
    """Keys of the clients of `journeys listen`, separated by spaces; None asks for none, on loopback only."""
    listen_keys_file: UserPath | None = None
    """File with those keys, one a line."""
    listen_tls_cert_file: UserPath | None = None
    """Certificate (PEM) of `journeys listen`, followed by its intermediate certificates; None serves without TLS."""
    listen_tls_key_file: UserPath | None = None
    """Private key (PEM) of that certificate; it may be in the same file."""
    listen_tls_key_password: Annotated[SecretStr, Field(min_length=1)] | None = None
    listen_tls_key_password_file: UserPath | None = None
    """File with the password of that key; its final line break is ignored."""
    worker_id: str | None = None
    """Name of a worker in logs and punctuations; None makes one from host name and process id."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"

    def topic(self, name: str) -> str:
        """Name in Kafka of a topic of the topic map."""
        return self.topic_prefix + name

    @property
    def group(self) -> str:
        """Consumer group of the workers."""
        return self.topic_prefix + self.application_id

    @property
    def topics(self) -> tuple[Topic, ...]:
        """The topic map, with the names in Kafka."""
        return topic_map(self.application_id, self.topic_prefix)

    @model_validator(mode="after")
    def _require_whole_security(self) -> Self:
        fault = security_fault(self)
        if fault is not None:
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _require_guard_within_session(self) -> Self:
        # The last heartbeat may be a fifth of a session older than the freeze: see agents/worker/app.py.
        if 5 * self.freeze_limit_seconds >= 4 * self.session_timeout_seconds:
            raise ValueError(
                f"JOURNEYS_FREEZE_LIMIT_SECONDS is {self.freeze_limit_seconds:g}, it must be less than four fifths of "
                f"JOURNEYS_SESSION_TIMEOUT_SECONDS ({self.session_timeout_seconds:g}): a worker that stood still must "
                "end itself before its partitions are given to others"
            )
        return self


SECRETS: Final = frozenset(
    {
        *("sasl_password", "tls_key_password", "metrics_tls_key_password", "metrics_token"),
        *("listen_keys", "listen_tls_key_password"),
    }
)
"""Names of the settings that are never shown."""


def faults_of(error: ValidationError) -> str:
    """What is wrong with settings, in one line; values of secrets, and of settings that conflict, are left out."""
    return "; ".join(map(_fault_text, error.errors()))


def _fault_text(fault: Any) -> str:
    if not fault["loc"]:
        return str(fault["ctx"]["error"])
    name = ".".join(map(str, fault["loc"]))
    value = "its value" if fault["loc"][0] in SECRETS else repr(fault["input"])
    return f"setting {name}: {value} is not allowed: {fault['msg']}"
