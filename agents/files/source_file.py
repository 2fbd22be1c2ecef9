"""A file as it lies on the disk: its compression, encoding and format, told by its first bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import shutil
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, Final, Literal, TypeAlias

from journeys.agents.files.unreadable import UnreadableFileError

Format: TypeAlias = Literal["csv", "jsonl", "json", "parquet"]
STANDARD_INPUT: Final = "-"
_HEAD_BYTES: Final = 65_536
_PARQUET: Final = b"PAR1"
_COMPRESSIONS: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}
# What other programs write and this one does not read; each with a way out.
_REFUSED: Final = {
    b"PK\x03\x04": "a zip archive or a workbook of Excel: unpack it, or save the sheet as CSV",
    b"Obj\x01": "Avro: convert it to Parquet or JSON lines",
    b"ORC": "ORC: convert it to Parquet",
    b"SQLite format 3": "a database of SQLite: export the table as CSV",
    b"\x89PNG": "an image",
    b"%PDF": "a PDF",
}
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_TABLE_SUFFIXES: Final = (".csv", ".tsv", ".tab")
_LINE_SUFFIXES: Final = (".jsonl", ".ndjson")
_PACKED_SUFFIXES: Final = (".gz", ".zst", ".bz2", ".xz")
_SUFFIXES: Final = (*_TABLE_SUFFIXES, *_LINE_SUFFIXES, ".json", ".txt", ".parquet", ".pq", ".log")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file and what its first bytes say. `encoding` is None for Parquet; `compression` where there is none."""

    path: str
    format: Format
    compression: str | None = None
    encoding: str | None = "utf-8"
    name: str = ""
    """What messages call it."""

    def read_as(self, format_: Format | None, encoding: str | None) -> SourceFile:
        """The same file, with what a mapping says of it in place of what was found."""
        return replace(self, format=format_ or self.format, encoding=encoding or self.encoding)

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Give its bytes, unpacked. Raises UnreadableFileError, also while they are read."""
        try:
            with Path(self.path).open("rb") as source:
                yield _unpacked(source, self.compression)
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise UnreadableFileError(f"{self.name}: cut off or damaged ({self.compression}): {error}") from None
        except UnicodeDecodeError as error:
            raise UnreadableFileError(f"{self.name}: not {error.encoding}: {error.reason}") from None
        except OSError as error:
            raise UnreadableFileError(f"{self.name}: {error.strerror or error}") from None


def source_file(path: str, name: str | None = None) -> SourceFile:
    """What a file is, by its first bytes, then by its name. Raises UnreadableFileError for what can't be read.

    It is read twice: a pipe has to be copied to a file before (`regular_files`).
    """
    if not Path(path).is_file():
        raise UnreadableFileError(f"{path}: no such file")
    file = SourceFile(path, "jsonl", name=name or path)
    head = _head(file)
    compression = next((name for sign, name in _COMPRESSIONS.items() if head.startswith(sign)), None)
    if compression is not None:
        file = replace(file, compression=compression)
        head = _head(file)
    for sign, what in _REFUSED.items():
        if head.startswith(sign):
            raise UnreadableFileError(f"{file.name}: this is {what}")
    if head.startswith(_PARQUET):
        if compression is not None:
            raise UnreadableFileError(f"{file.name}: Parquet within {compression}: unpack it, Parquet is packed itself")
        return replace(file, format="parquet", encoding=None)
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")
    return replace(file, format=_format(path, head, encoding), encoding=encoding)


@contextmanager
def regular_files(paths: Sequence[str]) -> Iterator[list[SourceFile]]:
    """Give the files of paths and folders; standard input (`-`) and pipes are copied to temporary files.

    Raises UnreadableFileError.
    """
    with ExitStack() as stack:
        found = []
        for path in files_of(paths):
            if path != STANDARD_INPUT and (Path(path).is_file() or not Path(path).exists()):
                found.append(source_file(path))
                continue
            spool = stack.enter_context(NamedTemporaryFile(prefix="journeys-"))
            try:
                if path == STANDARD_INPUT:
                    shutil.copyfileobj(sys.stdin.buffer, spool)
                else:
                    with Path(path).open("rb") as pipe:
                        shutil.copyfileobj(pipe, spool)
                spool.flush()
            except OSError as error:
                raise UnreadableFileError(f"{path}: can't be copied to a file: {error.strerror or error}") from None
            found.append(source_file(spool.name, "standard input" if path == STANDARD_INPUT else path))
        yield found


def files_of(paths: Sequence[str]) -> list[str]:
    """Paths, with the files of each folder in its place, by name. Raises UnreadableFileError for one without any."""
    found = []
    for path in paths:
        if path == STANDARD_INPUT or not Path(path).is_dir():
            found.append(path)
            continue
        inside = sorted(str(one) for one in Path(path).rglob("*") if one.is_file() and _is_data(one))
        if not inside:
            raise UnreadableFileError(f"{path}: no file in this folder ends with one of {', '.join(_SUFFIXES)}")
        found += inside
    return found


def _is_data(path: Path) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED_SUFFIXES:
        return True
    return not path.name.startswith((".", "_")) and bool(suffixes) and suffixes[-1] in _SUFFIXES


def _format(path: str, head: bytes, encoding: str) -> Format:
    suffixes = [suffix.lower() for suffix in Path(path).suffixes if suffix.lower() not in _PACKED_SUFFIXES]
    suffix = suffixes[-1] if suffixes else ""
    if suffix in _TABLE_SUFFIXES:
        return "csv"
    if suffix in (".parquet", ".pq"):
        raise UnreadableFileError(f"{path}: not Parquet: its first bytes are not {_PARQUET.decode()}")
    text = head.decode(encoding, "replace").lstrip("\ufeff \t\r\n")
    first = text.partition("\n")[0].strip()
    if suffix in _LINE_SUFFIXES:
        return "jsonl"
    if text.startswith("["):
        return "json"
    if text.startswith("{"):
        # An object that goes over several lines is a document, and so is one that holds the rows in a list.
        return "jsonl" if _is_row(first) else "json"
    is_table = bool(first) and suffix != ".json" and (first.startswith('"') or _is_table(first))
    return "csv" if is_table else "jsonl"


def _is_row(line: str) -> bool:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return len(line) > _HEAD_BYTES // 2  # a line longer than what was looked at
    lists = [value for value in document.values() if isinstance(value, list)]
    return not (len(document) == 1 and lists and lists[0] and all(isinstance(one, dict) for one in lists[0]))


def _is_table(line: str) -> bool:
    return any(mark in line for mark in ",;\t|")


def _head(file: SourceFile) -> bytes:
    with file.open() as source:
        return source.read(_HEAD_BYTES)


def _unpacked(source: IO[bytes], compression: str | None) -> Any:
    if compression == "gzip":
        return gzip.open(source)
    if compression == "bzip2":
        return bz2.open(source)
    if compression == "xz":
        return lzma.open(source)
    if compression == "zstd":
        from pyarrow import CompressedInputStream  # noqa: PLC0415  (takes a third of a second, and few need it)

        return io.BufferedReader(CompressedInputStream(source, "zstd"))
    return source
