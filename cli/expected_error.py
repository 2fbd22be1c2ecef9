"""Which errors are no faults of the program, and the one line that is printed of them."""

from __future__ import annotations

import errno
from typing import Final

from journeys.schemas.expected_error import ExpectedError

# The extra that installs a package, by the package's top-level module.
_EXTRAS: Final = {
    "aiohttp": "kafka",
    "aiokafka": "kafka",
    "aiolimiter": "bigquery",
    "fsspec": "bigquery",
    "faust": "kafka",
    "google": "bigquery",
    "httpx": "kafka",
    "mode": "kafka",
    "polars": "report",
    "plotly": "report",
    "prometheus_client": "kafka",
    "psutil": "kafka",
    "purgatory": "bigquery",
    "pyruhvro": "kafka",
    "rocksdict": "rocksdb",
    "sqlglot": "report",
    "stamina": "kafka",
    "testcontainers": "docker",
}
# A path that was given can't be opened, whoever opens it. Other errors of the system may be faults of the program.
_WRONG_PATH: Final = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
# No room, no more open files, a disk that fails: nothing that the program can do better.
_FULL: Final = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EMFILE,
    errno.ENFILE,
    errno.EIO,
    errno.EFBIG,
    errno.ELOOP,
)


def expected_text(error: Exception) -> str | None:
    """One line that says what to do about an expected error; None for an error that is a fault."""
    if isinstance(error, ModuleNotFoundError):
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            return None
        return f"this needs the package {error.name}, which is not installed: pip install 'gaelp-journeys[{extra}]'"
    if isinstance(error, _WRONG_PATH) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno in _FULL:
        return f"{error.filename or 'a file (in the temporary folder, if no other is named)'}: {error.strerror}"
    if not isinstance(error, ExpectedError):
        return None
    return "; ".join(str(error).split("\n"))  # of a file with several faults each is a line
