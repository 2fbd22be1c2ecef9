"""Lines arrive as they are, from a file and from standard input, which is read in a thread."""

import asyncio
import sys

import pytest

from journeys.agents.history.line_files import BadLine, LineFile, UnreadableFileError
from journeys.cli.files.line_feed import line_feed

from .history import touch, write_lines


async def fed(file: LineFile) -> list:
    """All that a feed gives."""
    return [found async for found in line_feed(file)]


@pytest.mark.parametrize("count", [0, 1, 12_000])
def test_all_lines_arrive_in_their_order(tmp_path, monkeypatch, count):
    """None, one, and more than may wait at a time, bad ones among them."""
    lines = ["bad" if number % 1_000 == 7 else touch(f"j-{number}", 1, 1, "AWARE") for number in range(count)]
    path = write_lines(tmp_path / "in.jsonl", lines)
    of_file = asyncio.run(fed(LineFile(path)))
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as the shell opens it
        monkeypatch.setattr(sys, "stdin", file)
        of_pipe = asyncio.run(fed(LineFile("-")))
    for found in (of_file, of_pipe):
        assert [one.number if isinstance(one, BadLine) else one[0] for one in found] == list(range(1, count + 1))
        assert sum(isinstance(one, BadLine) for one in found) == count // 1_000
    assert of_pipe[-1:] == of_file[-1:]


def test_a_file_that_cannot_be_read_is_an_error_here_too(tmp_path):
    """Raised where the lines are wanted."""
    (tmp_path / "x.parquet").write_text("no")
    with pytest.raises(UnreadableFileError, match="not Parquet"):
        asyncio.run(fed(LineFile(str(tmp_path / "x.parquet"))))


def test_an_error_of_standard_input_is_not_lost_in_its_thread(tmp_path, monkeypatch):
    """Standard input may be anything: here it was opened for writing."""
    with (tmp_path / "x").open("w") as file:
        monkeypatch.setattr(sys, "stdin", file)
        with pytest.raises(OSError, match="read"):
            asyncio.run(fed(LineFile("-")))
