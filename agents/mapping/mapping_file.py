"""Reads a mapping: from a file in TOML, or a preset that comes with the program."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from journeys.schemas.expected_error import ExpectedError
from journeys.schemas.toml_depth import too_deep

if TYPE_CHECKING:
    from pydantic import ValidationError

    from journeys.agents.mapping.mapping import Mapping

# Far above any honest mapping; nested TOML takes time that grows with the square of its depth.
_MOST_BYTES: Final = 2**18


class InvalidMappingError(ExpectedError):
    """A mapping that can't be used; the text says why."""


class LoadedMapping(NamedTuple):
    """A mapping, the folder from which its paths go, and its name for messages."""

    mapping: Mapping
    folder: Path
    name: str


def preset_names() -> list[str]:
    """Names of the presets."""
    return sorted(one.name.removesuffix(".toml") for one in _presets().iterdir() if one.name.endswith(".toml"))


def preset_text(name: str) -> str:
    """The TOML of a preset."""
    return _presets().joinpath(f"{name}.toml").read_text("utf-8")


def load_mapping(path_or_preset: str) -> LoadedMapping:
    """Mapping of a path or of a preset's name. Raises InvalidMappingError."""
    if path_or_preset in preset_names():
        return LoadedMapping(parse_mapping(preset_text(path_or_preset), path_or_preset), Path(), path_or_preset)
    path = Path(path_or_preset)
    if not path.is_file():
        raise InvalidMappingError(
            f"{path_or_preset}: no such file, and no preset: these are {', '.join(preset_names())}"
        )
    if path.stat().st_size > _MOST_BYTES:
        raise InvalidMappingError(f"{path}: more than {_MOST_BYTES // 1024} KiB: this is no mapping")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidMappingError(f"{path}: not UTF-8: {error}") from None
    return LoadedMapping(parse_mapping(text, str(path)), path.resolve().parent, str(path))


def parse_mapping(text: str, name: str) -> Mapping:
    """Mapping of a TOML text. Raises InvalidMappingError, which names each fault's key."""
    from pydantic import ValidationError  # noqa: PLC0415  (takes a tenth of a second)

    from journeys.agents.mapping.mapping import Mapping  # noqa: PLC0415  (the same)

    if why := too_deep(text):
        raise InvalidMappingError(f"{name}: not TOML of a mapping: {why}")
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidMappingError(f"{name}: not TOML: {error}") from None
    try:
        return Mapping.model_validate(document)
    except ValidationError as error:
        raise InvalidMappingError("\n".join(f"{name}: {fault}" for fault in _faults(error))) from None


def _faults(error: ValidationError) -> list[str]:
    faults = []
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"] if not str(part).startswith("function-"))
        text = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            text = "there is no such key"
        faults.append(f"{place}: {text}" if place else text)
    return faults


def _presets() -> Path:
    return files("journeys.agents.mapping").joinpath("presets")  # type: ignore[return-value]  # a folder of the package
