"""A proposal as a page: for each segment the share wrong and the waiting, against the threshold."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import plotly.graph_objects as graph

from journeys.analytics.html_page import COLOUR, GRID, INK, chart, html_page, html_table
from journeys.analytics.page_text import page_text
from journeys.analytics.proposal import Proposal, ProposedSegment, mean_waiting
from journeys.analytics.proposed_policy import segment_name
from journeys.analytics.survival import Array, SurvivalCurve
from journeys.schemas.instants import DAY_MS, format_instant
from journeys.streams.rule.policy import Policy

_SECOND_COLOUR: Final = "#c4763b"
_HEIGHT_PIXELS: Final = 360
_MEANING: Final = (
    "Share wrong: of the silences that reach the threshold, those that end by a touchpoint within the horizon behind "
    "it (Kaplan-Meier). Waiting: how long a silence lasts on average, the threshold at most. Both are estimates from "
    "the silences that were seen, not from a backtest."
)


def threshold_page(proposal: Proposal, present: Policy) -> str:
    """HTML of the page; the threshold of the policy in force is marked, where no rule of it holds."""
    horizon = proposal.request.horizon_ms
    parts = [
        f"<p>As of {format_instant(proposal.as_of)}, within {horizon / DAY_MS:g} days.</p>",
        f"<p class='note'>{_MEANING}</p>",
    ]
    rows = []
    for number, segment in enumerate(proposal.segments):
        name = segment_name(proposal, segment)
        refused = ", no promise" if segment.is_refused else ""
        parts.append(f"<h2>{page_text(name)}</h2><p class='note'>{segment.silences:,} silences{refused}</p>")
        figure = _figure(segment, proposal.grid, horizon, present)
        parts.append(chart(figure, f"segment-{number}", is_first=number == 0))
        rows += [[name, *_at(segment.curve, one, horizon)] for one in _marked(segment, present).values()]
    parts.append("<h2>Marked thresholds</h2>")
    parts.append(html_table(["segment", "threshold, days", "share wrong", "95% interval", "waiting, days"], rows))
    return html_page("Thresholds", "".join(parts))


def _marked(segment: ProposedSegment, present: Policy) -> dict[str, int]:
    return {"proposed": segment.threshold_ms, "in force": present.inactivity_ms}


def _at(curve: SurvivalCurve, threshold: int, horizon: int) -> list[str]:
    share = curve.share_by(threshold + horizon, since=threshold)
    waiting = f"{mean_waiting(curve, threshold) / DAY_MS:,.2f}"
    if share is None:
        return [f"{threshold / DAY_MS:,.2f}", "not enough seen yet", "-", waiting]
    return [f"{threshold / DAY_MS:,.2f}", f"{share.value:.1%}", f"{share.low:.1%} to {share.high:.1%}", waiting]


def _figure(segment: ProposedSegment, grid: Array, horizon: int, present: Policy) -> Any:
    curve = segment.curve
    shares = [curve.share_by(int(one) + horizon, since=int(one)) for one in grid]
    seen = np.array([one is not None for one in shares])
    shown = [one for one in shares if one is not None]
    days = grid[seen] / DAY_MS
    figure: Any = graph.Figure()
    band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure.add_scatter(x=days, y=[one.high for one in shown], **band)
    figure.add_scatter(x=days, y=[one.low for one in shown], fill="tonexty", fillcolor="rgba(59,130,196,0.2)", **band)
    line = {"mode": "lines", "line": {"color": COLOUR}}
    figure.add_scatter(x=days, y=[one.value for one in shown], name="share wrong", **line)
    waiting = [mean_waiting(curve, int(one)) / DAY_MS for one in grid]
    line = {"mode": "lines", "line": {"color": _SECOND_COLOUR}}
    figure.add_scatter(x=grid / DAY_MS, y=waiting, name="waiting, days", yaxis="y2", **line)
    for name, threshold in _marked(segment, present).items():
        dash = "solid" if name == "proposed" else "dot"
        figure.add_vline(x=threshold / DAY_MS, line={"color": INK, "dash": dash, "width": 1}, annotation_text=name)
    figure.update_layout(
        height=_HEIGHT_PIXELS,
        legend={"orientation": "h"},
        yaxis={"title": "share wrong", "tickformat": ".0%", "gridcolor": GRID, "rangemode": "tozero"},
        yaxis2={"title": "waiting, days", "overlaying": "y", "side": "right", "rangemode": "tozero", "showgrid": False},
    )
    figure.update_xaxes(title="threshold, days", type="log", showgrid=False, automargin=True)
    return figure
