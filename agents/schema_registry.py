"""Client of a Confluent-compatible schema registry."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from agents.operation_error import OperationError
from agents.settings import Settings
from schemas.catalog import Catalog


class RegistryUnreachableError(OperationError):
    """The registry does not answer, after retries: nothing may be decided about schemas, least of all a dead letter."""


class RegistryRefusedError(OperationError):
    """The registry answers and refuses: an incompatible schema, or no right."""


class SchemaRegistry:
    """One registry; an async context manager."""

    def __init__(self, url: str) -> None:
        """Without connecting. User and password may stand in the URL."""

    async def __aenter__(self) -> Self:
        """Open the client; connects with the first request."""
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""
        raise NotImplementedError

    async def register_own(self, catalog: Catalog, application_id: str) -> None:
        """Register every schema of the topic map under `<topic>-<full name>`; the catalog writes under their ids.

        Raises RegistryUnreachableError, RegistryRefusedError.
        """
        raise NotImplementedError

    async def schema(self, schema_id: int) -> Any | None:
        """Schema under an id, None if the registry has none. Raises RegistryUnreachableError, RegistryRefusedError."""
        raise NotImplementedError

    async def resolve(self, catalog: Catalog, values: Iterable[bytes | None]) -> None:
        """Fetch the writers' schemas that `values` name and the catalog doesn't know. Raises as `schema`.

        What the registry doesn't know either stays unknown: such records are dead letters.
        """
        raise NotImplementedError


async def own_catalog(settings: Settings) -> Catalog:
    """Catalog to write with: ids of the registry if one is configured, else fingerprints. Raises as `register_own`."""
    raise NotImplementedError
