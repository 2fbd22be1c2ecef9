"""Client of a Confluent-compatible schema registry."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self

import httpx
import stamina

from journeys.agents.kafka.registry_reply import RegistryReply, SchemaAnswer, answer_of
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.schemas.admission import LONGEST_SCHEMA_BYTES
from journeys.schemas.catalog import Catalog, full_name, own_schemas
from journeys.schemas.codec import HEADER_BYTES, schema_id_of
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.marks import Marks
from journeys.schemas.topics import Topic

_CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_TIMEOUT_SECONDS: Final = 5.0
_WHOLE_ANSWER_SECONDS: Final = 10.0
_LONGEST_ANSWER_BYTES: Final = 2 * LONGEST_SCHEMA_BYTES
"""JSON within JSON: every quote of a schema takes two bytes."""
_AT_ONCE: Final = 8
_ATTEMPTS: Final = 5
_LARGEST_ID: Final = 2**32 - 1
_RETRIED_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
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
            # No compressed answers: a few of their bytes may stand for very many.
            headers={"Accept": f"{_CONTENT_TYPE}, application/json", "Accept-Encoding": "identity"},
        )
        self._unknown: set[int] = set()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def __aenter__(self) -> Self:
        """Connects with the first request."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._client.aclose()

    @property
    def url(self) -> str:
        """Where it is, without user and password."""
        return str(self._url)

    async def register_own(self, topics: Iterable[Topic]) -> None:
        """Register every schema of the topics under `<topic>-<full name>`; the catalog then writes with their ids.

        Raises RegistryUnreachableError, RegistryRefusedError.
        """
        for topic in topics:
            for name in topic.records:
                subject = f"{topic.name}-{full_name(name)}"
                body = {"schema": json.dumps(own_schemas()[name])}
                reply = await self._ask("POST", f"/subjects/{subject}/versions", json=body)
                self.catalog.use_id(name, self._id_in(reply, f"the schema of {subject}"))

    async def ask(self, schema_id: int) -> SchemaAnswer:
        """Ask once for the schema of an id. Never raises: that there is no answer is an answer, too."""
        try:
            reply = await self._once("GET", f"/schemas/ids/{schema_id}")
        except httpx.HTTPStatusError as error:
            return SchemaAnswer(fault=str(error.response.status_code), retry_after_seconds=_retry_after(error.response))
        except httpx.HTTPError as error:
            return SchemaAnswer(fault=str(error) or type(error).__name__)
        return answer_of(reply)

    async def learn(self, schema_id: int) -> None:
        """Fetch the schema of an id into the catalog, unless it is known there.

        If the registry does not have it, it stays unknown, and one that it refuses is refused: records that name it
        are dead letters. Raises RegistryUnreachableError.
        """
        if schema_id in self._unknown or self.catalog.knows(schema_id):
            return
        answer = answer_of(await self._ask("GET", f"/schemas/ids/{schema_id}"))
        if answer.schema is not None:
            self.catalog.learn(schema_id, answer.schema)
        elif answer.fault is not None:
            raise RegistryUnreachableError(f"the schema registry at {self._url} lets nobody in: {answer.fault}")
        elif not answer.is_unknown:
            self.catalog.refuse(schema_id, str(answer.refusal))
        elif len(self._unknown) < _REMEMBERED_UNKNOWN:
            self._unknown.add(schema_id)

    async def learn_from(self, values: Iterable[bytes | None], marks: Marks | None = None) -> None:
        """Learn the schemas that wire values name, all at once, but for those that marks decide; raises as `learn`."""
        ids = schema_ids_of(value[:HEADER_BYTES] for value in values if value is not None)
        wanted = [schema_id for schema_id in ids if marks is None or not marks.decides(schema_id)]
        for outcome in await asyncio.gather(*map(self.learn, wanted), return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def _ask(self, method: str, path: str, **more: Any) -> RegistryReply:
        try:
            async for attempt in stamina.retry_context(
                on=_is_transient, attempts=_ATTEMPTS, wait_initial=0.1, wait_max=2.0
            ):
                with attempt:
                    reply = await self._once(method, path, **more)
        except httpx.HTTPError as error:
            raise RegistryUnreachableError(
                f"the schema registry at {self._url} does not answer: {error or type(error).__name__}"
            ) from error
        return reply

    async def _once(self, method: str, path: str, **more: Any) -> RegistryReply:
        """Ask once, for at most 10 s and so many bytes. Raises httpx.HTTPError, also for a status to be asked again."""
        try:
            async with (
                self._slots,
                asyncio.timeout(_WHOLE_ANSWER_SECONDS),
                self._client.stream(method, path, **more) as response,
            ):
                if response.status_code in _RETRIED_STATUS:
                    response.raise_for_status()
                body = bytearray()
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > _LONGEST_ANSWER_BYTES:
                        break
                return RegistryReply(response.status_code, response.headers.get("Content-Encoding", ""), bytes(body))
        except TimeoutError:
            raise httpx.ReadTimeout(f"no whole answer within {_WHOLE_ANSWER_SECONDS:g} s") from None

    def _id_in(self, reply: RegistryReply, what: str) -> int:
        """Id that the registry has given to a schema."""
        summary = reply.summary
        if not reply.is_success:
            raise RegistryRefusedError(f"the schema registry at {self._url} refuses {what}: {summary}")
        answer = reply.json()
        schema_id = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(schema_id, int) or isinstance(schema_id, bool) or not 0 <= schema_id <= _LARGEST_ID:
            raise RegistryRefusedError(f"{self._url} is no schema registry: it answers {summary}")
        return schema_id


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that the registry asks to be left alone for; None where it does not say so in seconds."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None


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


def schema_ids_of(prefixes: Iterable[bytes]) -> set[int]:
    """Schema ids in the prefixes of wire values; what is no such prefix is left out."""
    found = set()
    for prefix in set(prefixes):
        try:
            found.add(schema_id_of(prefix))
        except InvalidRecordError:
            continue
    return found


def _is_transient(error: Exception) -> bool:
    return isinstance(error, httpx.TransportError | httpx.HTTPStatusError)
