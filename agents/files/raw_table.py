"""All rows of some files as one table of DuckDB, with the file and the line of each.

Cells of CSV and scalars of JSON are text, what is nested in JSON is its JSON; columns of Parquet keep their types. What
does not fit into the memory goes to the temporary folder.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from journeys.agents.files.csv_head import LOOKED_AT, csv_head, delimiter_of
from journeys.agents.files.csv_rows import BadRow, CsvTable, looks_like_a_header
from journeys.agents.files.json_rows import json_document, json_lines
from journeys.agents.files.source_file import SourceFile
from journeys.agents.files.unreadable import UnreadableFileError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FILE: Final = "_file"
LINE: Final = "_line"
PART: Final = "_part"
"""Which element of the list that makes rows, from 1; 1 without such a list."""
OWN: Final = (FILE, LINE, PART)
MIB: Final = 2**20
_BATCH: Final = 8_192
_MOST_COLUMNS: Final = 2_000


class Shape(NamedTuple):
    """What a mapping says of the files; None where their own look decides."""

    format: Any = None
    delimiter: str | None = None
    encoding: str | None = None
    header: bool | None = None
    columns: tuple[str, ...] | None = None
    each: str | None = None
    """A column that holds a list: each of its elements makes a row, with the other columns beside it."""


class BadCell(NamedTuple):
    """A row that can't be read, and where it stands."""

    file: str
    line: int
    why: str


class Column(NamedTuple):
    """A column of the raw table: the name in the file, that in the table, and DuckDB's type."""

    name: str
    place: str
    """Its name in the table, quoted for SQL."""
    kind: str


@contextmanager
def connection(memory_mib: int = 1024) -> Iterator[DuckDBPyConnection]:
    """A database in memory that takes at most `memory_mib`, and the temporary folder beyond it."""
    import duckdb  # noqa: PLC0415  (takes a tenth of a second; JSON lines that are read as they stand need it not)

    with TemporaryDirectory(prefix="journeys-") as folder, duckdb.connect() as database:
        database.execute("SET temp_directory = ?", [folder])
        database.execute("SET memory_limit = ?", [f"{memory_mib}MiB"])
        database.execute("SET TimeZone = 'UTC'")
        database.execute("SET preserve_insertion_order = false")  # rows have numbers, and so need less memory
        yield database


class RawTable:
    """A table of a connection, under `name`; `bad` are rows that could not be read."""

    def __init__(
        self,
        database: DuckDBPyConnection,
        files: Sequence[SourceFile],
        shape: Shape | None = None,
        *,
        name: str = "raw",
        only: frozenset[str] | None = None,
        names_itself: bool = False,
    ) -> None:
        """Read the files; of `only` these columns. With `names_itself` columns without a header get names: column1, ...

        Raises UnreadableFileError.
        """
        self._names_itself = names_itself
        self._database = database
        self.name = name
        self._only = only
        self._shape = shape or Shape()
        self.files = [file.read_as(self._shape.format, self._shape.encoding) for file in files]
        self.bad: list[BadCell] = []
        self.columns: dict[str, Column] = {}
        self.names: dict[str, None] = {}
        """Names of all columns, also of those that were not read."""
        self.delimiters: dict[str, str] = {}
        self.headers: dict[str, int | None] = {}
        """By file in CSV, the line of its header; None where it has none."""
        try:
            if all(file.format == "parquet" for file in self.files):
                self._read_parquet()
            else:
                self._read_rows()
        except UnreadableFileError:
            raise
        except Exception as error:
            raise _unreadable(self.files, error) from error

    @property
    def database(self) -> DuckDBPyConnection:
        """The connection."""
        return self._database

    def column(self, name: str) -> Column | None:
        """The column of a name; letters of either case where no other column has them."""
        if name in self.columns:
            return self.columns[name]
        alike = [column for own, column in self.columns.items() if own.lower() == name.lower()]
        return alike[0] if len(alike) == 1 else None

    def _read_parquet(self) -> None:
        from pyarrow import ArrowException  # noqa: PLC0415  (takes a third of a second)
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415  (the same)

        parts = []
        for number, file in enumerate(self.files):
            try:
                with ParquetFile(file.path) as parquet:
                    names = parquet.schema_arrow.names
            except (ArrowException, OSError, ValueError) as error:
                raise UnreadableFileError(f"{file.path}: not Parquet: {error}") from None
            for name in names:
                if names.count(name) > 1:
                    raise UnreadableFileError(f"{file.path}: two columns have the name {name!r}: rename one of them")
            path = file.path.replace("'", "''")
            self.names |= dict.fromkeys(names)
            kept = (
                "*" if self._only is None else ", ".join([quoted(one) for one in names if one in self._only] or ["1"])
            )
            parts.append(
                f"SELECT {kept}, {number} AS {FILE}, file_row_number + 1 AS {LINE}, 1 AS {PART} "
                f"FROM read_parquet('{path}', file_row_number = true, hive_partitioning = false)"
            )
        rows = " UNION ALL BY NAME ".join(parts)
        if self._shape.each is not None:
            column = quoted(self._shape.each)
            rows = (
                f"SELECT * REPLACE ({column}[{PART}] AS {column}) FROM (SELECT * REPLACE "
                f"(unnest(range(1, greatest(coalesce(len({column}), 0), 1) + 1)) AS {PART}) FROM ({rows}))"
            )
        self._database.execute(f"CREATE VIEW {self.name} AS {rows}")
        for name, kind, *_ in self._database.execute(f"DESCRIBE {self.name}").fetchall():
            if name not in (*OWN, "file_row_number", "1"):
                self.columns[name] = Column(name, quoted(name), kind)

    def _read_rows(self) -> None:
        self._database.execute(f"CREATE TABLE {self.name} ({FILE} INTEGER, {LINE} BIGINT, {PART} BIGINT)")
        for number, file in enumerate(self.files):
            if file.format == "parquet":
                raise UnreadableFileError(f"{file.path}: Parquet beside files of another format: give them apart")
            with ExitStack() as stack:
                source = stack.enter_context(file.open())
                if file.format == "csv":
                    self._add_csv(number, file, source)
                else:
                    self._add_json(number, file, source)

    def _add_csv(self, number: int, file: SourceFile, source: IO[bytes]) -> None:
        text = io.TextIOWrapper(source, file.encoding or "utf-8", errors="surrogateescape", newline="")
        has_one = has_header(file) if self._shape.header is None else self._shape.header
        names: Sequence[str] | None = None if has_one else self._shape.columns
        if not has_one and names is None and self._shape.header is None and self._names_itself:
            names = _numbered_names(file)
        if not has_one and names is None and self._shape.header is not None:
            raise UnreadableFileError(
                f"{file.name}: without a header a mapping has to name all its columns: [file] columns"
            )
        table = CsvTable(file.name, text, delimiter=self._shape.delimiter, names=names)
        self.delimiters[file.name] = table.delimiter
        self.headers[file.name] = table.header_line
        self.names |= dict.fromkeys(table.names)
        kept = [place for place, name in enumerate(table.names) if self._only is None or name in self._only]
        places = [self._place(table.names[place]) for place in kept]
        for rows in _batched(self._counted(number, table.rows()), _BATCH):
            columns = list(zip(*(cells for _, cells in rows), strict=True))
            lines = [line for line, _ in rows]
            self._insert(number, lines, None, dict(zip(places, (columns[place] for place in kept), strict=True)))

    def _add_json(self, number: int, file: SourceFile, source: IO[bytes]) -> None:
        encoding = file.encoding or "utf-8"
        if file.format == "json":
            found = json_document(file.name, source, encoding)
        elif encoding == "utf-16":
            # Lines of UTF-16 end in two bytes: cut as text.
            text = io.TextIOWrapper(source, encoding, newline="\n").read()
            found = json_lines(io.BytesIO(text.encode()), "utf-8")
        else:
            found = json_lines(source, encoding)
        for rows in _batched(self._each(self._counted(number, found)), _BATCH):
            columns: dict[str, list[Any]] = {}
            for place, (_, _, row) in enumerate(rows):
                for name, value in row.items():
                    if name not in columns:
                        self.names[name] = None
                        if self._only is not None and name not in self._only:
                            continue
                        columns[name] = [None] * len(rows)
                    columns[name][place] = _text(value)
            lines, parts = [line for line, _, _ in rows], [part for _, part, _ in rows]
            self._insert(number, lines, parts, {self._place(name): cells for name, cells in columns.items()})

    def _each(self, rows: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[tuple[int, int, dict[str, Any]]]:
        each = self._shape.each
        for line, row in rows:
            elements = row.get(each) if each is not None else None
            if not isinstance(elements, list) or each is None or not elements:
                yield line, 1, row
                continue
            for part, element in enumerate(elements, start=1):
                yield line, part, row | {each: element}

    def _counted(self, number: int, rows: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        for row in rows:
            if isinstance(row, BadRow):
                self.bad.append(BadCell(self.files[number].name, row.line, row.why))
            else:
                yield row

    def _place(self, name: str) -> str:
        """Name of a column in the table, which is made if it is new."""
        known = self.columns.get(name)
        if known is None:
            if len(self.columns) >= _MOST_COLUMNS:
                raise UnreadableFileError(f"{self.files[0].name}: more than {_MOST_COLUMNS} different columns")
            taken = {column.place.lower() for column in self.columns.values()} | set(map(quoted, OWN))
            place, count = name, 1
            while quoted(place).lower() in taken:
                count += 1
                place = f"{name}_{count}"
            known = self.columns[name] = Column(name, quoted(place), "VARCHAR")
            self._database.execute(f"ALTER TABLE {self.name} ADD COLUMN {known.place} VARCHAR")
        return known.place

    def _insert(
        self, number: int, lines: list[int], parts: list[int] | None, columns: dict[str, Sequence[Any]]
    ) -> None:
        import pyarrow as pa  # noqa: PLC0415  (takes a third of a second)

        texts: dict[str, Any] = {}
        try:
            texts = {name: pa.array(cells, pa.string()) for name, cells in columns.items()}
            kept = None
        except UnicodeEncodeError:
            kept = self._right_rows(number, lines, columns)
            texts = {name: pa.array([cells[row] for row in kept], pa.string()) for name, cells in columns.items()}
        own = {
            FILE: pa.array([number] * len(lines), pa.int32()),
            LINE: pa.array(lines, pa.int64()),
            PART: pa.array(parts or [1] * len(lines), pa.int64()),
        }
        if kept is not None:
            own = {name: array.take(pa.array(kept, pa.int64())) for name, array in own.items()}
        batch = pa.table([*own.values(), *texts.values()], [*own, *(f"c{place}" for place in range(len(texts)))])
        self._database.register("batch", batch)
        places = ", ".join((*own, *columns))
        self._database.execute(f"INSERT INTO {self.name} ({places}) SELECT * FROM batch")
        self._database.unregister("batch")

    def _right_rows(self, number: int, lines: list[int], columns: dict[str, Sequence[Any]]) -> list[int]:
        """Places of the rows whose cells are all text that UTF-8 can write; the others are bad."""
        wrong = set()
        for cells in columns.values():
            wrong |= {row for row, cell in enumerate(cells) if cell is not None and not _is_utf8(cell)}
        for row in sorted(wrong):
            why = 'bytes that are no UTF-8: a mapping can name the encoding, such as encoding = "cp1252"'
            self.bad.append(BadCell(self.files[number].name, lines[row], why))
        return [row for row in range(len(lines)) if row not in wrong]


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Text as SQL takes it."""
    return "'" + text.replace("'", "''") + "'"


def has_header(file: SourceFile) -> bool:
    """Whether a file in CSV names its columns. Raises UnreadableFileError."""
    lines = _first_lines(file)
    head = csv_head(lines)
    first = next(iter(lines[head.skipped :]), "").rstrip("\r\n")
    return head.names is not None or not first.strip() or looks_like_a_header(first, delimiter_of(first))


def _numbered_names(file: SourceFile) -> list[str]:
    width = len(CsvTable(file.name, io.StringIO("".join(_first_lines(file))), names=()).first_cells())
    return [f"column{number}" for number in range(1, width + 1)]


def _first_lines(file: SourceFile) -> list[str]:
    with file.open() as source:
        text = io.TextIOWrapper(source, file.encoding or "utf-8", errors="replace", newline="")
        return [line for _ in range(LOOKED_AT) if (line := text.readline(MIB))]


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _batched(rows: Iterable[Any], count: int) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for row in rows:
        batch.append(row)
        if len(batch) == count:
            yield batch
            batch = []
    if batch:
        yield batch


def _unreadable(files: Sequence[SourceFile], error: Exception) -> Exception:
    """What DuckDB says, in one line; other errors as they are."""
    import duckdb  # noqa: PLC0415  (as above)

    if isinstance(error, duckdb.Error):
        return UnreadableFileError(f"{', '.join(file.name for file in files[:3])}: {why_of(error)}")
    return error


def why_of(error: Exception) -> str:
    """One line of an error of DuckDB."""
    import duckdb  # noqa: PLC0415  (as above)

    text = " ".join(str(error).split("\n\nLINE")[0].split("\n")[0].split())
    if isinstance(error, duckdb.OutOfMemoryException) or text.startswith("Out of Memory"):
        return f"it takes more memory than is allowed, or the temporary folder is full: {text}"
    return text
