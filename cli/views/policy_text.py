"""A policy as text: as the TOML that it could be loaded from, and as differences from another."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from journeys.schemas.instants import DAY_MS
from journeys.streams.rule.policy import Policy


class PolicyDifference(NamedTuple):
    """One constant that differs between two policies; `none` for a rule that is off."""

    key: str
    one: str
    other: str


def policy_toml(policy: Policy) -> str:
    """TOML text of a policy, every constant in it; rules that are off are comments."""
    return "\n".join(_table("", policy.model_dump())) + "\n"


def policy_differences(one: Policy, other: Policy) -> list[PolicyDifference]:
    """Constants that differ, by key such as `deadlines.timeout_days`; the version is not among them."""
    ours, theirs = dict(_constants("", one.model_dump())), dict(_constants("", other.model_dump()))
    keys = [*ours, *(key for key in theirs if key not in ours)]
    return [
        PolicyDifference(key, ours.get(key, "none"), theirs.get(key, "none"))
        for key in keys
        if key != "version" and ours.get(key, "none") != theirs.get(key, "none")
    ]


def _table(name: str, values: dict[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        if not isinstance(value, dict) and not _is_list_of_tables(value):
            if value is not None:
                yield f"{key} = {_toml(value)}"
            elif name:
                yield f"# {key}: none"
    for key, value in values.items():
        full = f"{name}.{key}" if name else key
        if isinstance(value, dict):
            yield f"\n[{full}]"
            yield from _table(full, value)
        elif _is_list_of_tables(value):
            for item in value:
                yield f"\n[[{full}]]"
                yield from _table(full, {key: one for key, one in item.items() if one is not None})
            if not value:
                yield f"\n# [[{full}]]: none"
        elif value is None and not name:
            yield f"\n# [{full}]: off"


def _constants(prefix: str, values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _constants(f"{prefix}{key}.", value)
        elif _is_list_of_tables(value):
            for place, item in enumerate(value, start=1):
                yield from _constants(f"{prefix}{key}.{place}.", item)
        elif value is not None:
            yield f"{prefix}{key}", _toml(value)


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, dict) for item in value)


def _toml(value: Decimal | int | str | tuple[str, ...]) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, int):
        return str(value)
    # What is not printable, too, so that the text may go to a terminal.
    escaped = "".join(
        letter if letter.isprintable() and letter not in '"\\' else f"\\U{ord(letter):08x}" for letter in value
    )
    return f'"{escaped}"'


def cleanup_before_horizon(policy: Policy, horizon_days: float) -> str | None:
    """A sentence about a policy that forgets a journey before the horizon ends; None for one that does not."""
    cleanup_days = policy.cleanup_ms / DAY_MS
    if cleanup_days >= horizon_days:
        return None
    return (
        f"policy {policy.version} forgets an ended journey after {cleanup_days:g} days, before the horizon of "
        f"{horizon_days:g} days: reports and backtests count returns behind it, but such a return is told as started, "
        "and corrects no reward"
    )
