"""A report as one self-contained HTML page with charts, readable in light and dark."""

from __future__ import annotations

from html import escape
from typing import Any, Final

import plotly.graph_objects as graph
import polars
from plotly.io import to_html

from analytics.abandonment_report import Report
from analytics.query import queries
from schemas.instants import format_instant
from schemas.money import MICROS, format_dollars

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --line: #d0d7de; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --line: #30363d; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; }
.figures { display: flex; flex-wrap: wrap; gap: 2rem; } .figures b { display: block; font-size: 1.6rem; }
"""
# A grey that is read on white and on black alike; everything else of a chart is transparent.
_INK: Final = "#808890"
_COLOUR: Final = "#3b82c4"
_CHARTS: Final = {
    "by_day": ("day", "penalty_micros", "Penalty by day, dollars"),
    "by_reason": ("abandonment_reason", "penalty_micros", "Penalty by reason, dollars"),
    "by_state": ("state", "abandonments", "Abandonments by state"),
}


def page(report: Report) -> str:
    """HTML of the whole page; it loads nothing from anywhere."""
    parts = [_figures(report)]
    for query in queries():
        frame: polars.DataFrame = getattr(report, query.name)
        parts.append(f"<h2>{escape(query.title.rstrip('.'))}</h2>")
        if query.name in _CHARTS and len(frame):
            # The library stands in the page once, with the first chart.
            parts.append(_chart(frame, *_CHARTS[query.name], is_first=query.name == "by_reason"))
        parts.append(_table(frame))
    span = f"{format_instant(report.since)} to {format_instant(report.until)}"
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Abandoned journeys</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style></head>"
        f"<body><h1>Abandoned journeys</h1><p>{span}, UTC</p>{''.join(parts)}</body></html>"
    )


def _figures(report: Report) -> str:
    penalty = int(report.outcomes["penalty_micros"][0] or 0)
    figures = {
        "abandonments": f"{report.abandonments:,}",
        "penalty": f"${format_dollars(penalty)}",
        "average penalty": _dollars(report.average_penalty_micros),
        "timeout rate": _rate(report.timeout_rate),
        "return rate": _rate(report.return_rate),
    }
    shown = "".join(f"<div><b>{said}</b>{name}</div>" for name, said in figures.items())
    return f"<div class='figures'>{shown}</div>"


def _chart(frame: polars.DataFrame, x: str, y: str, title: str, *, is_first: bool) -> str:
    scale = MICROS if y.endswith("_micros") else 1
    heights = [value / scale for value in frame[y].to_list()]
    figure: Any = graph.Figure(graph.Bar(x=frame[x].to_list(), y=heights, marker_color=_COLOUR))
    figure.update_layout(
        title=title,
        height=320,
        margin={"l": 60, "r": 20, "t": 50, "b": 60},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font_color=_INK,
    )
    figure.update_yaxes(gridcolor=_INK, gridwidth=0.3)
    return str(to_html(figure, full_html=False, include_plotlyjs=is_first, config={"displayModeBar": False}))


def _table(frame: polars.DataFrame) -> str:
    head = "".join(f"<th>{escape(name.removesuffix('_micros').replace('_', ' '))}</th>" for name in frame.columns)
    rows = (
        "".join(f"<td>{escape(_said(name, value))}</td>" for name, value in zip(frame.columns, row, strict=True))
        for row in frame.iter_rows()
    )
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _said(name: str, value: object) -> str:
    if isinstance(value, int):
        return f"${format_dollars(value)}" if name.endswith("_micros") else f"{value:,}"
    return "-" if value is None else str(value)


def _dollars(micros: float | None) -> str:
    return "-" if micros is None else f"${format_dollars(round(micros))}"


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1%}"
