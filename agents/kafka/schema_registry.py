"""Client of a Confluent-compatible schema registry."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self

import httpx
import stamina

from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.schemas.catalog import Catalog, full_name, own_schemas
from journeys.schemas.codec import HEADER_BYTES, schema_id_of
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.topics import Topic

_CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_TIMEOUT_SECONDS: Final = 5.0
_ATTEMPTS: Final = 5
_NOT_FOUND: Final = 404
_RETRIED_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})
# Ids that are not in the registry are remembered, so that records of garbage don't cost a request each.
_REMEMBERED_UNKNOWN: Final = 10_000


class RegistryUnreachableError(OperationError):
    """The registry does not answer after retries. Whether a record is a dead letter can't be decided then."""


class RegistryRefusedError(OperationError):
    """The registry refuses the request: an incompatible schema, or a missing right."""


class SchemaRegistry:
    """One registry and the catalog that it fills; an async context manager."""

    def __init__(self, url: str, catalog: Catalog) -> None:
        """Does not connect yet. The URL may contain user and password."""
        self.catalog = catalog
        full_url = httpx.URL(url)
        # Errors and logs name the URL: it must not contain user and password.
        self._url = full_url.copy_with(username=None, password=None)
        self._client = httpx.AsyncClient(
            base_url=self._url,
            auth=(full_url.username, full_url.password) if full_url.userinfo else None,
            timeout=_TIMEOUT_SECONDS,
            headers={"Accept": f"{_CONTENT_TYPE}, application/json"},
        )
        self._unknown: set[int] = set()

    async def __aenter__(self) -> Self:
        """Connects with the first request."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def register_own(self, topics: Iterable[Topic]) -> None:
        """Register every schema of the topics under `<topic>-<full name>`; the catalog then writes with their ids.

        Raises RegistryUnreachableError, RegistryRefusedError.
        """
        for topic in topics:
            for name in topic.records:
                subject = f"{topic.name}-{full_name(name)}"
                body = {"schema": json.dumps(own_schemas()[name])}
                response = await self._ask("POST", f"/subjects/{subject}/versions", json=body)
                self.catalog.use_id(name, self._answer(response, f"the schema of {subject}")["id"])

    async def learn(self, schema_id: int) -> None:
        """Fetch the schema of an id into the catalog, unless it is known there.

        If the registry does not have it, it stays unknown: records that name it are dead letters.
        Raises RegistryUnreachableError, RegistryRefusedError.
        """
        if schema_id in self._unknown or self.catalog.knows(schema_id):
            return
        response = await self._ask("GET", f"/schemas/ids/{schema_id}")
        if response.status_code == _NOT_FOUND:
            if len(self._unknown) < _REMEMBERED_UNKNOWN:
                self._unknown.add(schema_id)
            return
        self.catalog.add(schema_id, _avro_record(self._answer(response, f"schema {schema_id}")))

    async def learn_from(self, values: Iterable[bytes | None]) -> None:
        """Learn the schemas that wire values name; raises as `learn`."""
        for header in {value[:HEADER_BYTES] for value in values if value is not None}:
            try:
                schema_id = schema_id_of(header)
            except InvalidRecordError:
                continue
            await self.learn(schema_id)

    async def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            async for attempt in stamina.retry_context(
                on=_is_transient, attempts=_ATTEMPTS, wait_initial=0.1, wait_max=2.0
            ):
                with attempt:
                    response = await self._client.request(method, path, **more)
                    if response.status_code in _RETRIED_STATUS:
                        response.raise_for_status()
        except httpx.HTTPError as error:
            raise RegistryUnreachableError(
                f"the schema registry at {self._url} does not answer: {error or type(error).__name__}"
            ) from error
        return response

    def _answer(self, response: httpx.Response, what: str) -> dict[str, Any]:
        summary = f"{response.status_code} {response.text[:200]}"
        if not response.is_success:
            raise RegistryRefusedError(f"the schema registry at {self._url} refuses {what}: {summary}")
        try:
            answer: dict[str, Any] = response.json()
        except ValueError:
            raise RegistryRefusedError(f"{self._url} is no schema registry: it answers {summary}") from None
        return answer


@asynccontextmanager
async def registry_of(settings: Settings, catalog: Catalog) -> AsyncIterator[SchemaRegistry | None]:
    """Give a client of the configured registry that fills a catalog; None where none is configured."""
    if settings.schema_registry_url is None:
        yield None
        return
    async with SchemaRegistry(settings.schema_registry_url, catalog) as registry:
        yield registry


async def fetch_schemas(settings: Settings, catalog: Catalog, values: Iterable[bytes | None]) -> None:
    """Fetch the schemas that single wire values name (a LogReader does so itself); raises as `SchemaRegistry.learn`."""
    async with registry_of(settings, catalog) as registry:
        if registry is not None:
            await registry.learn_from(values)


async def own_catalog(settings: Settings) -> Catalog:
    """Catalog to write with: ids of the registry if one is configured, else fingerprints.

    Raises RegistryUnreachableError, RegistryRefusedError.
    """
    catalog = Catalog()
    async with registry_of(settings, catalog) as registry:
        if registry is not None:
            await registry.register_own(settings.topics)
    return catalog


def _is_transient(error: Exception) -> bool:
    return isinstance(error, httpx.TransportError | httpx.HTTPStatusError)


def _avro_record(answer: dict[str, Any]) -> dict[str, Any]:
    """Schema in a registry's answer; one that is not a self-contained Avro record comes out without a known name."""
    schema = json.loads(answer["schema"]) if answer.get("schemaType", "AVRO") == "AVRO" else answer["schemaType"]
    if isinstance(schema, dict) and not answer.get("references"):
        return schema
    return {"type": schema}
