"""Renders a report as one self-contained HTML page with charts, for light and dark colour schemes."""

from __future__ import annotations

from typing import Any, Final

import plotly.graph_objects as graph
import polars

from journeys.analytics.abandonment_report import Report
from journeys.analytics.after_table import after_line, after_meaning, after_table
from journeys.analytics.html_page import BAR, GRID, MARGIN_PIXELS, chart, html_page, html_table
from journeys.analytics.page_text import chart_text, page_text
from journeys.analytics.query import queries
from journeys.analytics.shares import NOT_ENOUGH
from journeys.schemas.instants import format_instant
from journeys.schemas.money import MICROS, format_dollars

_BAR_PIXELS: Final = 34
_LABEL_PIXELS: Final = 95  # for the text behind the longest bar
_MEANING: Final = (
    "Returned: the journey came back within the horizon after it had been abandoned by deadline, which was wrong then. "
    "Timeout rate: how many of the abandonments have the reason TIMEOUT. Cost: what was spent on the journeys."
)
# By query: column of the bars' names, column of their lengths, and the unit of these.
_CHARTS: Final = {
    "by_reason": ("abandonment_reason", "penalty_micros", "penalty"),
    "by_state": ("state", "abandonments", "abandonments"),
    "by_channel": ("channel", "penalty_micros", "penalty"),
    "by_policy": ("policy_version", "penalty_micros", "penalty"),
    "by_day": ("day", "penalty_micros", "penalty, dollars"),
}


def page(report: Report) -> str:
    """HTML of the whole page, which loads no other resources."""
    parts = [_figures(report)]
    for query in queries():
        frame: polars.DataFrame = getattr(report, query.name)
        parts.append(f"<h2>{page_text(query.title.rstrip('.'))}</h2>")
        if query.name in _CHARTS and len(frame):
            x, y, unit = _CHARTS[query.name]
            figure = _columns(frame, x, y, unit) if query.name == "by_day" else _bars(frame, x, y, unit)
            parts.append(f"<p class='note'>Bars: {unit}</p>")
            # The page contains plotly's script once, with the first chart.
            parts.append(chart(figure, query.name, is_first=query.name == "by_reason"))
        table = _table(frame)
        parts.append(f"<details><summary>Each day</summary>{table}</details>" if query.name == "by_day" else table)
    parts.append(_after(report))
    span = f"{_day(report.since)} to {_day(report.until)}"
    return html_page("Abandoned journeys", f"<p>{span}, UTC</p>{''.join(parts)}")


def _figures(report: Report) -> str:
    penalty = int(report.outcomes["penalty_micros"][0] or 0)
    figures = {
        "abandonments": f"{report.abandonments:,}",
        "penalty": f"${format_dollars(penalty)}",
        "penalty on spend": _sum_of(report, "spend_penalty_micros"),
        "opportunity": _sum_of(report, "opportunity_micros"),
        "of that by defaults": _sum_of(report, "assumed_micros"),
        "average penalty": _dollars(report.average_penalty_micros),
        "timeout rate": _rate(report.timeout_rate),
        f"return rate, {report.horizon_days:g} days": _rate(report.return_rate, NOT_ENOUGH),
    }
    shown = "".join(f"<div><b>{text}</b>{name}</div>" for name, text in figures.items())
    return f"<div class='figures'>{shown}</div><p class='note'>{_MEANING}</p>"


def _sum_of(report: Report, column: str) -> str:
    return _dollars(int(report.outcomes[column][0] or 0))


def _after(report: Report) -> str:
    """What came after abandonments: shares within the horizon."""
    rows = report.after.to_dicts()
    lines = "".join(
        f"<p class='note'>{page_text(after_line(outcome, rows, report.horizon_days))}</p>"
        for outcome in ("returned", "converted")
    )
    headings, texts = after_table(rows)
    meaning = page_text(after_meaning(report.horizon_days))
    table = html_table(headings, texts)
    return f"<h2>What came after abandonments</h2><p class='note'>{meaning}</p>{lines}{table}"


def _bars(frame: polars.DataFrame, name: str, value: str, unit: str) -> Any:
    """A horizontal bar for each row: its name in front, of any length, and its value behind."""
    lengths = frame[value].to_list()
    figure: Any = graph.Figure(
        graph.Bar(
            x=lengths,
            y=[chart_text(_shown(name, one)) for one in frame[name].to_list()],
            orientation="h",
            marker=BAR,
            text=[_shown(value, one) for one in lengths],
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"%{{y}}: %{{text}} {unit}<extra></extra>",
        )
    )
    figure.update_layout(height=_BAR_PIXELS * len(frame) + 2 * MARGIN_PIXELS, bargap=0.3)
    # Names may look like numbers or dates: plotly must take them as categories.
    figure.update_yaxes(type="category", autorange="reversed", automargin=True, ticksuffix="  ", showgrid=False)
    figure.update_xaxes(visible=False, range=[0, max(*lengths, 1)])
    figure.update_layout(margin={"r": _LABEL_PIXELS})
    return figure


def _columns(frame: polars.DataFrame, name: str, value: str, unit: str) -> Any:
    """A vertical bar for each day, in dollars."""
    heights = [one / MICROS for one in frame[value].to_list()]
    figure: Any = graph.Figure(
        graph.Bar(x=frame[name].to_list(), y=heights, marker=BAR, hovertemplate="%{x}: $%{y:,.2f}")
    )
    figure.update_traces(name="")
    figure.update_layout(height=320, bargap=0.15, margin={"r": 0})
    figure.update_yaxes(title=unit, gridcolor=GRID, zerolinecolor=GRID, automargin=True)
    figure.update_xaxes(showgrid=False)
    return figure


def _table(frame: polars.DataFrame) -> str:
    headings = [name.removesuffix("_micros").replace("_", " ") for name in frame.columns]
    rows = [[_shown(*cell) for cell in zip(frame.columns, row, strict=True)] for row in frame.iter_rows()]
    return html_table(headings, rows)


def _shown(name: str, value: object) -> str:
    if isinstance(value, int):
        return f"${format_dollars(value)}" if name.endswith("_micros") else f"{value:,}"
    return "-" if value is None else str(value)


def _dollars(micros: float | None) -> str:
    return "-" if micros is None else f"${format_dollars(round(micros))}"


def _rate(rate: float | None, absent: str = "-") -> str:
    return absent if rate is None else f"{rate:.1%}"


def _day(instant: int) -> str:
    return format_instant(instant).partition("T")[0]
