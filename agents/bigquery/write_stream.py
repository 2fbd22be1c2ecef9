"""Committed streams of the Storage Write API: each row is written once, at its offset, or refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import grpc
from google.api_core.exceptions import (
    AlreadyExists,
    FailedPrecondition,
    GoogleAPICallError,
    InvalidArgument,
    NotFound,
    OutOfRange,
)
from google.auth.exceptions import GoogleAuthError
from google.cloud.bigquery_storage_v1 import types
from google.cloud.bigquery_storage_v1.services.big_query_write import BigQueryWriteAsyncClient
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import (
    BigQueryWriteGrpcAsyncIOTransport,
)
from google.protobuf.descriptor_pb2 import DescriptorProto

from journeys.agents.bigquery.client import Warehouse, no_credentials
from journeys.schemas.expected_error import PicklableError

_TIMEOUT_SECONDS: Final = 30.0
_CODES: Final = types.StorageError.StorageErrorCode
_LOST: Final = (NotFound, FailedPrecondition, OutOfRange)


class StreamLostError(Exception):
    """The stream accepts no more rows: another writer finalized it, or it was deleted."""


class RowsRefusedError(PicklableError):
    """BigQuery refused some rows, and so wrote none of the request. `reasons` are by their index in it."""

    def __init__(self, reasons: dict[int, str]) -> None:
        super().__init__(f"{len(reasons)} rows are refused")
        self.reasons = reasons


class StreamWriter:
    """Opens, fills and finalizes streams. Other errors are GoogleAPICallError, and may be transient."""

    def __init__(self, warehouse: Warehouse, client: Any) -> None:
        self._warehouse = warehouse
        self._client = client

    @classmethod
    @asynccontextmanager
    async def connected(cls, warehouse: Warehouse) -> AsyncIterator[Self]:
        """Give a writer, for an emulator without credentials. Raises BigQueryError if BigQuery's are missing."""
        if warehouse.grpc_endpoint is None:
            try:
                write_client = BigQueryWriteAsyncClient()
            except GoogleAuthError as error:
                raise no_credentials(error) from error
            yield cls(warehouse, write_client)
            return
        async with grpc.aio.insecure_channel(warehouse.grpc_endpoint) as channel:
            yield cls(warehouse, BigQueryWriteAsyncClient(transport=BigQueryWriteGrpcAsyncIOTransport(channel=channel)))

    async def open_stream(self, table: str) -> str:
        """Create a committed stream of a table and give its name; its first row has offset 0."""
        wanted = types.WriteStream(type_=types.WriteStream.Type.COMMITTED)
        stream = await self._client.create_write_stream(
            parent=self._path(table), write_stream=wanted, retry=None, timeout=_TIMEOUT_SECONDS
        )
        return str(stream.name)

    async def finalize(self, stream: str) -> int:
        """Close a stream for all writers and give the number of its rows. Raises StreamLostError if it was deleted."""
        try:
            answer = await self._client.finalize_write_stream(name=stream, retry=None, timeout=_TIMEOUT_SECONDS)
        except NotFound as error:
            raise StreamLostError(str(error)) from None
        return int(answer.row_count)

    async def append_to_default(self, table: str, rows: Sequence[bytes], descriptor: DescriptorProto) -> None:
        """Write rows at least once, to the default stream of a table, which has no offsets and always exists.

        Raises StreamLostError if the table does not exist, RowsRefusedError.
        """
        await self.append(f"{self._path(table)}/streams/_default", None, rows, descriptor)

    async def append(self, stream: str, offset: int | None, rows: Sequence[bytes], descriptor: DescriptorProto) -> None:
        """Write rows at an offset of a stream; succeeds also if they are there already.

        Raises StreamLostError, RowsRefusedError.
        """
        request = types.AppendRowsRequest(
            write_stream=stream,
            offset=offset,
            proto_rows=types.AppendRowsRequest.ProtoData(
                writer_schema=types.ProtoSchema(proto_descriptor=descriptor),
                rows=types.ProtoRows(serialized_rows=rows),
            ),
        )
        try:
            answers = await self._client.append_rows(
                requests=_only(request),
                metadata=[("x-goog-request-params", f"write_stream={stream}")],
                retry=None,
                timeout=_TIMEOUT_SECONDS,
            )
            async for answer in answers:
                _check(answer)
                return
        except AlreadyExists:
            return
        except _LOST as error:
            raise StreamLostError(str(error)) from None
        raise GoogleAPICallError("BigQuery ended the stream without an answer")

    def _path(self, table: str) -> str:
        return f"projects/{self._warehouse.project}/datasets/{self._warehouse.dataset}/tables/{table}"


def _check(answer: Any) -> None:
    if answer.row_errors:
        raise RowsRefusedError({one.index: one.message for one in answer.row_errors})
    if not answer.error.code:
        return
    codes = {detail.code for detail in _details(answer.error)}
    if answer.error.code == grpc.StatusCode.ALREADY_EXISTS.value[0] or _CODES.OFFSET_ALREADY_EXISTS in codes:
        return
    lost = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.OUT_OF_RANGE)
    if answer.error.code in {code.value[0] for code in lost}:
        raise StreamLostError(answer.error.message)
    if answer.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]:
        raise InvalidArgument(answer.error.message)
    raise GoogleAPICallError(answer.error.message)


def _details(error: Any) -> list[Any]:
    details = []
    for packed in error.details:
        detail = types.StorageError.pb(types.StorageError())
        if packed.Unpack(detail):
            details.append(detail)
    return details


async def _only(request: Any) -> AsyncIterator[Any]:
    yield request
