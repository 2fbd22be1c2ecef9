"""How every client of BigQuery connects: the one place for the endpoint and who is asking."""

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
    """BigQuery does not answer, or refuses what was asked."""


class Warehouse(NamedTuple):
    """Where the tables are. `endpoint` and `grpc_endpoint` are those of an emulator, None for BigQuery itself."""

    project: str
    dataset: str
    endpoint: str | None
    grpc_endpoint: str | None

    @property
    def path(self) -> str:
        """The dataset as SQL names it: `project.dataset`."""
        return f"{self.project}.{self.dataset}"


def warehouse(settings: Settings) -> Warehouse:
    """Give the dataset of the settings, else that of the emulator for development; raises BigQueryError for neither."""
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
def client(house: Warehouse) -> Iterator[Any]:
    """Give a google.cloud.bigquery.Client.

    Raises BigQueryError, also from its use. An emulator is asked without credentials, BigQuery with those of the
    environment.
    """
    given: dict[str, Any] = {"project": house.project}
    if house.endpoint is not None:
        _require_answer(house.endpoint)
        given["credentials"] = AnonymousCredentials()
        given["client_options"] = ClientOptions(api_endpoint=house.endpoint)
    where = house.endpoint or "BigQuery"
    try:
        made = bigquery.Client(**given)
        try:
            yield made
        finally:
            made.close()
    except GoogleAuthError as error:
        raise no_credentials(error) from error
    except RetryError as error:
        raise BigQueryError(f"{where} does not answer: {_line(error.cause)}") from error
    except NotFound as error:
        raise BigQueryError(f"{where} has no such thing: {_line(error.message)}; {_MAKE_THEM}") from error
    except GoogleAPICallError as error:
        raise BigQueryError(f"{where} refuses: {_line(error)}") from error
    except RequestsConnectionError as error:
        raise BigQueryError(f"{where} does not answer: {_line(error)}; {_START_ONE}") from error


@contextmanager
def dataset_client(house: Warehouse) -> Iterator[Any]:
    """As `client`, for a dataset that is there; one that is not, or a BigQuery that is away, is told within seconds.

    Without this the client's own retries would go on for ten minutes.
    """
    with client(house) as made:
        try:
            made.get_dataset(house.path, retry=bigquery.DEFAULT_RETRY.with_timeout(_FIRST_ANSWER_SECONDS))
        except NotFound:
            raise BigQueryError(f"there is no dataset {house.path}; {_MAKE_THEM}") from None
        yield made


def no_credentials(error: GoogleAuthError) -> BigQueryError:
    """What is told where Google's libraries find no credentials, or none that are good."""
    return BigQueryError(f"no credentials for BigQuery: {_line(error).rstrip('.')}; docs/bigquery.md, 'Rights'")


def _require_answer(endpoint: str) -> None:
    """Raise BigQueryError at once for an emulator that is not there."""
    address = urlsplit(endpoint)
    try:
        socket.create_connection((address.hostname, address.port or 80), _PROBE_SECONDS).close()
    except OSError as error:
        raise BigQueryError(f"{endpoint} does not answer: {error}; {_START_ONE}") from None


def _line(error: object) -> str:
    return " ".join(str(error).split())[:400]
