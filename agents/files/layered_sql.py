"""Expressions of SQL that are used several times, and worked out once: each gets a name in a subquery."""

from __future__ import annotations

from typing import Final

_SHORT: Final = 40


class LayeredSql:
    """Named expressions in layers; those of a layer use names of the layers below it."""

    def __init__(self) -> None:
        self._layers: list[dict[str, str]] = []

    def once(self, sql: str) -> str:
        """The name of an expression; a short one itself."""
        if len(sql) < _SHORT:
            return sql
        below = (level for level, names in enumerate(self._layers, start=1) if any(name in sql for name in names))
        depth = max(below, default=0)
        if depth == len(self._layers):
            self._layers.append({})
        layer = self._layers[depth]
        known = next((name for name, own in layer.items() if own == sql), None)
        name = known or f"_x{depth}_{len(layer)}_"
        layer[name] = sql
        return name

    def over(self, rows: str) -> str:
        """A subquery of `rows`, a table or another subquery, with a column for each name beside its own."""
        for layer in self._layers:
            named = ", ".join(f"{sql} AS {name}" for name, sql in layer.items())
            rows = f"(SELECT *, {named} FROM {rows})"
        return rows
