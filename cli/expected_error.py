"""Errors that are no faults of the program: what the person at the keyboard gave, or what is not there."""

from __future__ import annotations

from typing import Final

# By name, so that telling them apart imports nothing: most commands never load the modules of the others.
_EXPECTED: Final = frozenset(
    {
        "journeys.agents.devserver.broker_unavailable.BrokerUnavailable",
        "journeys.cli.options.InvalidSettingError",
        "journeys.cli.output_file.UnwritableFileError",
        "journeys.agents.demo.ecom.EcomMissingError",
        "journeys.agents.demo.ecom.MappingError",
        "journeys.agents.history.line_files.UnreadableFileError",
        "journeys.agents.settings.operation_error.OperationError",
        "journeys.analytics.parquet_warehouse.NoExportError",
        "journeys.streams.rule.policy.InvalidPolicyError",
        "journeys.streams.stored.restored_rows.UnreadableRowError",
        "journeys.streams.partition.changelog.TableMismatchError",
        "training_orchestrator.api.answers.StoreUnavailableError",
    }
)
_EXTRAS: Final = {
    "aiokafka": "kafka",
    "aiolimiter": "bigquery",
    "duckdb": "report",
    "fsspec": "bigquery",
    "faust": "kafka",
    "google": "bigquery",
    "httpx": "kafka",
    "mode": "kafka",
    "polars": "report",
    "plotly": "report",
    "prometheus_client": "kafka",
    "psutil": "kafka",
    "purgatory": "bigquery",
    "pyruhvro": "kafka",
    "rocksdict": "rocksdb",
    "sqlglot": "report",
    "stamina": "kafka",
    "testcontainers": "docker",
}


def expected_text(error: Exception) -> str | None:
    """One line that says what to do about an expected error; None for an error that is a fault."""
    if isinstance(error, ModuleNotFoundError):
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            return None
        return f"this needs the package {error.name}, which is not installed: pip install 'gaelp-journeys[{extra}]'"
    if any(f"{kind.__module__}.{kind.__qualname__}" in _EXPECTED for kind in type(error).__mro__):
        return str(error)
    return None
