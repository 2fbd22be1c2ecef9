"""Messages that the compiled engine has encoded, and that it gives as finished record batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    from journeys.engine import Messages

Message_co = TypeVar("Message_co", covariant=True)


class EncodedMessages(Sequence[Message_co], Generic[Message_co]):
    """Messages of which one becomes an object only where somebody asks for it. `make` makes it of its tuple."""

    def __init__(self, messages: Messages, make: Callable[[Any], Message_co]) -> None:
        self._messages = messages
        self._make = make

    def record_batch(self, begin: int, most_bytes: int, timestamp: int) -> tuple[bytearray, int]:
        """Record batch, without producer and checksum, of as many messages from `begin` on as fit, at least one.

        `timestamp` (ms) is that of all of them. Gives also the index behind the last one.
        """
        return self._messages.record_batch(begin, most_bytes, timestamp)

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[Message_co]:
        return map(self._make, self._messages)

    @overload
    def __getitem__(self, index: int) -> Message_co: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Message_co]: ...

    def __getitem__(self, index: int | slice) -> Message_co | Sequence[Message_co]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        return self._make(self._messages[index])
