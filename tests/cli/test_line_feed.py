"""Lines read in a thread arrive as they are."""

import asyncio

import pytest

from agents.cli.line_feed import line_feed
from agents.line_files import BadLine, LineFile, UnreadableFileError

from .history import touch, write_lines


async def fed(file: LineFile) -> list:
    """All that a feed gives."""
    return [found async for found in line_feed(file)]


def test_all_lines_arrive_in_their_order(tmp_path):
    """More of them than may wait at a time, bad ones among them."""
    count = 25_000
    lines = ["bad" if number % 1_000 == 7 else touch(f"j-{number}", 1, 1, "AWARE") for number in range(count)]
    path = write_lines(tmp_path / "in.jsonl", lines)
    found = asyncio.run(fed(LineFile(path)))
    assert [one.number if isinstance(one, BadLine) else one[0] for one in found] == list(range(1, count + 1))
    assert sum(isinstance(one, BadLine) for one in found) == 25
    assert found[-1] == list(LineFile(path).records())[-1]


def test_a_file_that_cannot_be_read_is_an_error_here_too(tmp_path):
    """Raised where the lines are wanted, and not lost in the thread."""
    (tmp_path / "x.parquet").write_text("no")
    with pytest.raises(UnreadableFileError, match="not Parquet"):
        asyncio.run(fed(LineFile(str(tmp_path / "x.parquet"))))


def test_nothing_arrives_of_nothing(tmp_path):
    """The feed of an empty file ends."""
    assert asyncio.run(fed(LineFile(write_lines(tmp_path / "in.jsonl", [])))) == []
