"""Lines as they arrive, for a program that has other work to do while a pipe is silent."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final

from journeys.agents.history.line_files import BadLine, LineFile
from journeys.agents.history.open_history import HistoryFile
from journeys.schemas.lines import parse_line
from journeys.schemas.records import InputRecord

_MOST_WAITING: Final = 10_000
STANDARD_INPUT: Final = "-"


async def line_feed(
    file: HistoryFile, parse: Callable[[object], InputRecord] = parse_line
) -> AsyncIterator[tuple[int, InputRecord] | BadLine]:
    """Yield what `file.records(parse)` yields; standard input is read in a thread. Raises UnreadableFileError."""
    if not isinstance(file, LineFile) or file.path != STANDARD_INPUT:
        for line in file.records(parse):  # a file is never slow, and a thread would cost as much again as the reading
            yield line
        return
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    room = threading.Semaphore(_MOST_WAITING)
    waiting: deque[tuple[int, InputRecord] | BadLine | Exception | None] = deque()

    def add(line: tuple[int, InputRecord] | BadLine | Exception | None) -> None:
        room.acquire()
        waiting.append(line)
        if len(waiting) == 1:  # else the other side is reading the queue already and will reach it
            loop.call_soon_threadsafe(arrived.set)

    def read() -> None:
        with suppress(RuntimeError):  # the loop was closed: the rest is not wanted
            try:
                for line in file.records(parse):
                    add(line)
            except Exception as error:
                add(error)
            add(None)

    # A daemon, because nothing can end a read of standard input: Ctrl-C must not wait for the next line.
    threading.Thread(target=read, name="line-feed", daemon=True).start()
    while True:
        await arrived.wait()
        arrived.clear()
        while waiting:
            arrived_line = waiting.popleft()
            room.release()
            if arrived_line is None:
                return
            if isinstance(arrived_line, Exception):
                raise arrived_line
            yield arrived_line
