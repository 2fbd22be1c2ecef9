"""Connections of all BigQuery clients: endpoint and credentials are set here only."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import GoogleAPICallError, NotFound, RetryError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from requests.exceptions import ConnectionError as RequestsConnectionError

from journeys.agents.settings.development_servers import development_bigquery
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings

_EMULATED_PROJECT: Final = "journeys"
_START_ONE: Final = "set JOURNEYS_BIGQUERY_PROJECT, or start an emulator with `journeys stack up`"
_MAKE_THEM: Final = "`journeys bigquery apply` creates what is missing"
_PROBE_SECONDS: Final = 2.0
_FIRST_ANSWER_SECONDS: Final = 20.0


class BigQueryError(OperationError):
    """BigQuery does not answer, or refuses a request."""


class Warehouse(NamedTuple):
    """A dataset and its server: `endpoint` and `grpc_endpoint` are those of an emulator, None for BigQuery itself."""

    project: str
    dataset: str
    endpoint: str | None
    grpc_endpoint: str | None

    @property
    def path(self) -> str:
        """The dataset as SQL names it: `project.dataset`."""
        return f"{self.project}.{self.dataset}"


def warehouse(settings: Settings) -> Warehouse:
    """Dataset of the settings, else of the development emulator; raises BigQueryError if there is neither."""
    if settings.bigquery_project is not None:
        return Warehouse(
            settings.bigquery_project,
            settings.bigquery_dataset,
            settings.bigquery_endpoint,
            settings.bigquery_grpc_endpoint,
        )
    emulator = development_bigquery(settings.data_dir)
    if emulator is None:
        raise BigQueryError(f"no BigQuery is configured; {_START_ONE}")
    return Warehouse(_EMULATED_PROJECT, settings.bigquery_dataset, emulator.http_url, emulator.grpc)


@contextmanager
def client(warehouse: Warehouse) -> Iterator[Any]:
    """Give a google.cloud.bigquery.Client, with the credentials of the environment, or for an emulator with none.

    Raises BigQueryError, also while it is in use.
    """
    options: dict[str, Any] = {"project": warehouse.project}
    if warehouse.endpoint is not None:
        _require_answer(warehouse.endpoint)
        options["credentials"] = AnonymousCredentials()
        options["client_options"] = ClientOptions(api_endpoint=warehouse.endpoint)
    where = warehouse.endpoint or "BigQuery"
    try:
        bigquery_client = bigquery.Client(**options)
        try:
            yield bigquery_client
        finally:
            bigquery_client.close()
    except GoogleAuthError as error:
        raise no_credentials(error) from error
    except RetryError as error:
        raise BigQueryError(f"{where} does not answer: {_line(error.cause)}") from error
    except NotFound as error:
        raise BigQueryError(f"not found in {where}: {_line(error.message)}; {_MAKE_THEM}") from error
    except GoogleAPICallError as error:
        raise BigQueryError(f"{where} refuses: {_line(error)}") from error
    except RequestsConnectionError as error:
        raise BigQueryError(f"{where} does not answer: {_line(error)}; {_START_ONE}") from error


@contextmanager
def dataset_client(warehouse: Warehouse) -> Iterator[Any]:
    """As `client`, after a check that the dataset exists and BigQuery answers, which takes 20 s at most.

    Without the check the client would retry for ten minutes.
    """
    with client(warehouse) as bigquery_client:
        try:
            bigquery_client.get_dataset(
                warehouse.path, retry=bigquery.DEFAULT_RETRY.with_timeout(_FIRST_ANSWER_SECONDS)
            )
        except NotFound:
            raise BigQueryError(f"there is no dataset {warehouse.path}; {_MAKE_THEM}") from None
        yield bigquery_client


def no_credentials(error: GoogleAuthError) -> BigQueryError:
    """BigQueryError for missing or invalid credentials."""
    return BigQueryError(f"no credentials for BigQuery: {_line(error).rstrip('.')}; docs/bigquery.md, 'Rights'")


def _require_answer(endpoint: str) -> None:
    """Raise BigQueryError if no emulator listens at the endpoint."""
    address = urlsplit(endpoint)
    try:
        socket.create_connection((address.hostname, address.port or 80), _PROBE_SECONDS).close()
    except OSError as error:
        raise BigQueryError(f"{endpoint} does not answer: {error}; {_START_ONE}") from None


def _line(error: object) -> str:
    return " ".join(str(error).split())[:400]
