"""The keys that docs/command-line.md names for each command's --json, and whether a document has them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent.parent / "docs" / "command-line.md"
_SECTION = re.compile(r"^### `journeys ([a-z -]+)`\n(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
_ITEM = re.compile(r"^- `([a-z_.\[\]0-9]+)`(?: with ((?:`[a-z_\[\]0-9]+`(?:, )?)+))?", re.MULTILINE)


def documented() -> dict[str, dict[str, set[str]]]:
    """By command, the keys of each object: that of the document is named by the empty path."""
    commands = {}
    for command, text in _SECTION.findall(PAGE.read_text("utf-8")):
        objects: dict[str, set[str]] = {"": set()}
        for path, keys in _ITEM.findall(text):
            if "." not in path:
                objects[""].add(path)
            if keys:
                objects[path] = set(re.findall(r"`([^`]+)`", keys))
        commands[command] = objects
    return commands


DOCUMENTED = documented()


def checked(command: str, stdout: str) -> Any:
    """Return the one document on stdout, whose keys are those of the page."""
    document = json.loads(stdout)
    assert stdout.isascii()
    for path, keys in DOCUMENTED[command].items():
        for found in _objects(document, path):
            assert set(found) == {key.removesuffix("[]") for key in keys}, (command, path)
            for key in keys:
                value = found[key.removesuffix("[]")]
                assert value is None or isinstance(value, list) == key.endswith("[]"), (command, path, key)
    for key, value in _scalars(document):
        if key.endswith("_micros"):
            assert value is None or isinstance(value, int), key
        if key.endswith("_at"):
            assert value is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value), key
    return document


def _objects(document: Any, path: str) -> Iterator[dict[str, Any]]:
    """Those objects of the document that lie under a path; none where a list is empty or a value null."""
    name, _, rest = path.partition(".")
    if not path:
        yield document
    elif (value := document[name.removesuffix("[]")]) is not None:
        for one in value if name.endswith("[]") else [value]:
            yield from _objects(one, rest)


def _scalars(document: Any) -> Iterator[tuple[str, Any]]:
    """Every value that is neither list nor object, with its key."""
    if isinstance(document, list):
        for one in document:
            yield from _scalars(one)
    elif isinstance(document, dict):
        for key, value in document.items():
            if isinstance(value, dict | list):
                yield from _scalars(value)
            else:
                yield key, value
