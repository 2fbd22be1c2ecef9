"""One self-contained HTML page with charts and tables, for light and dark colour schemes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from plotly.io import to_html

from journeys.analytics.page_text import page_text, security_policy

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --line: #d0d7de; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --line: #30363d; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; } summary { cursor: pointer; }
.js-plotly-plot text { fill: var(--ink) !important; } /* plotly sets a colour, which can't follow the scheme */
.wide { overflow-x: auto; } .note { margin: 0; font-size: .85rem; opacity: .75; }
.figures + .note { margin-top: .75rem; }
@media (max-width: 36rem) { table { font-size: .8rem; } th, td { padding: .3rem .2rem; vertical-align: bottom; } }
.figures { display: flex; flex-wrap: wrap; gap: 2rem; } .figures b { display: block; font-size: 1.6rem; }
"""
# Greys that are readable on white and on black; charts are transparent and use the page's text colour.
INK: Final = "#808890"
GRID: Final = "rgba(128,136,144,0.25)"
COLOUR: Final = "#3b82c4"
BAR: Final = {"color": COLOUR, "line": {"width": 0}}
MARGIN_PIXELS: Final = 30


def html_page(title: str, content: str) -> str:
    """A whole page of HTML, which loads no other resources. `title` is no text from outside."""
    body = f"<body><h1>{title}</h1>{content}"
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{security_policy(body)}">'
        f"<title>{title}</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style></head>"
        f"{body}</html>"
    )


def chart(figure: Any, name: str, *, is_first: bool) -> str:
    """A figure of plotly. The page contains plotly's script once, with the chart that `is_first`."""
    figure.update_layout(
        margin={"l": 0, "t": MARGIN_PIXELS // 2, "b": MARGIN_PIXELS},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": INK, "size": 13, "family": "system-ui, sans-serif"},
    )
    return str(
        to_html(figure, full_html=False, include_plotlyjs=is_first, config={"displayModeBar": False}, div_id=name)
    )


def html_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text from anywhere."""
    header = "".join(f"<th>{page_text(heading)}</th>" for heading in headings)
    lines = "".join(f"<tr>{''.join(f'<td>{page_text(text)}</td>' for text in row)}</tr>" for row in rows)
    return f"<div class='wide'><table><tr>{header}</tr>{lines}</table></div>"
