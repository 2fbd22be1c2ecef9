"""Committed streams of the Storage Write API: each row of a stream is written once, at its offset, or refused."""

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

_TIMEOUT_SECONDS: Final = 30.0
_CODES: Final = types.StorageError.StorageErrorCode
_LOST: Final = (NotFound, FailedPrecondition, OutOfRange)


class StreamLostError(Exception):
    """The stream takes no more rows of this writer: it was finalized by another one, or is gone."""


class RowsRefusedError(Exception):
    """BigQuery refuses some rows, and so wrote none of the request. `reasons` are by their place in it."""

    def __init__(self, reasons: dict[int, str]) -> None:
        super().__init__(f"{len(reasons)} rows are refused")
        self.reasons = reasons


class StreamWriter:
    """Opens, fills and finalizes streams. What else goes wrong is a GoogleAPICallError, and may pass."""

    def __init__(self, house: Warehouse, client: Any) -> None:
        self._house = house
        self._client = client

    @classmethod
    @asynccontextmanager
    async def connected(cls, house: Warehouse) -> AsyncIterator[Self]:
        """Give a writer; an emulator is asked without credentials. Raises BigQueryError where there are none."""
        if house.grpc_endpoint is None:
            try:
                made = BigQueryWriteAsyncClient()
            except GoogleAuthError as error:
                raise no_credentials(error) from error
            yield cls(house, made)
            return
        async with grpc.aio.insecure_channel(house.grpc_endpoint) as channel:
            yield cls(house, BigQueryWriteAsyncClient(transport=BigQueryWriteGrpcAsyncIOTransport(channel=channel)))

    async def opened(self, table: str) -> str:
        """Name of a new stream into a table; its first row has offset 0."""
        wanted = types.WriteStream(type_=types.WriteStream.Type.COMMITTED)
        made = await self._client.create_write_stream(
            parent=self._path(table), write_stream=wanted, retry=None, timeout=_TIMEOUT_SECONDS
        )
        return str(made.name)

    async def finalized(self, stream: str) -> int:
        """Close a stream for whoever writes to it, and give the number of its rows. Raises StreamLostError if gone."""
        try:
            answer = await self._client.finalize_write_stream(name=stream, retry=None, timeout=_TIMEOUT_SECONDS)
        except NotFound as error:
            raise StreamLostError(str(error)) from None
        return int(answer.row_count)

    async def append_to_default(self, table: str, rows: Sequence[bytes], descriptor: DescriptorProto) -> None:
        """Write rows of a table at least once: its default stream has no offsets, and is always there.

        Raises StreamLostError if the table is not there, RowsRefusedError.
        """
        await self.append(f"{self._path(table)}/streams/_default", None, rows, descriptor)

    async def append(self, stream: str, offset: int | None, rows: Sequence[bytes], descriptor: DescriptorProto) -> None:
        """Write rows at an offset of a stream; rows that stand there already are fine.

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
        return f"projects/{self._house.project}/datasets/{self._house.dataset}/tables/{table}"


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
    found = []
    for detail in error.details:
        said = types.StorageError.pb(types.StorageError())
        if detail.Unpack(said):
            found.append(said)
    return found


async def _only(request: Any) -> AsyncIterator[Any]:
    yield request
