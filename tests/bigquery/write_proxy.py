"""A proxy in front of the emulator's Storage Write API that refuses as BigQuery does, when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

import grpc
from google.cloud.bigquery_storage_v1 import types

_APPEND = "/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows"


class WriteProxy(grpc.GenericRpcHandler):
    """Forwards all calls; a context manager.

    `is_away` makes it answer UNAVAILABLE. Rows that contain one of `refused` are refused with their reason, and
    with them the request they stand in. `loses_answers` forwards that many requests and drops their answers; with
    `is_away_after_loss` it is away from then on.
    """

    def __init__(self, target: str) -> None:
        self.is_away = False
        self.refused: dict[bytes, str] = {}
        self.loses_answers = 0
        self.is_away_after_loss = False
        self.turned_away = 0
        self.endpoint = ""
        self._target = target
        self._is_up = Event()
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._thread = Thread(target=self._loop.run_until_complete, args=[self._serve()], name="write-proxy")

    def __enter__(self) -> Self:
        """Start it."""
        self._thread.start()
        assert self._is_up.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(30)

    def service(self, call: Any) -> Any:
        """Handle any method, as bytes."""
        if call.method == _APPEND:
            return grpc.stream_stream_rpc_method_handler(self._append)

        async def forward(request: bytes, context: Any) -> bytes:
            await self._require_here(context)
            try:
                answer: bytes = await self._channel.unary_unary(call.method)(
                    request, metadata=context.invocation_metadata(), timeout=20
                )
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details())
                raise
            return answer

        return grpc.unary_unary_rpc_method_handler(forward)

    async def _append(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        await self._require_here(context)
        async for request in requests:
            answer = self._refusal(types.AppendRowsRequest.deserialize(request))
            if answer is None:
                forwarded = self._channel.stream_stream(_APPEND)(
                    _only(request), metadata=context.invocation_metadata(), timeout=20
                )
                try:
                    answer = await forwarded.read()
                except grpc.aio.AioRpcError as error:
                    await context.abort(error.code(), error.details())
                if self.loses_answers:
                    self.loses_answers -= 1
                    self.is_away = self.is_away_after_loss
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "connection reset")
            yield answer

    def _refusal(self, request: Any) -> bytes | None:
        errors = [
            types.RowError(index=place, code=types.RowError.RowErrorCode.FIELDS_ERROR, message=why)
            for place, row in enumerate(request.proto_rows.rows.serialized_rows)
            for part, why in self.refused.items()
            if part in row
        ]
        if not errors:
            return None
        answer = types.AppendRowsResponse(row_errors=errors, write_stream=request.write_stream)
        answer.error.code = grpc.StatusCode.INVALID_ARGUMENT.value[0]
        answer.error.message = "Errors found while processing rows. Please refer to the row_errors field for details."
        return types.AppendRowsResponse.serialize(answer)

    async def _require_here(self, context: Any) -> None:
        if self.is_away:
            self.turned_away += 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "try again later")

    async def _serve(self) -> None:
        async with grpc.aio.insecure_channel(self._target) as self._channel:
            server = grpc.aio.server()
            server.add_generic_rpc_handlers([self])
            self.endpoint = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            await server.start()
            self._is_up.set()
            await self._ending.wait()
            await server.stop(0)


async def _only(request: bytes) -> AsyncIterator[bytes]:
    yield request
