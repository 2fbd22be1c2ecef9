"""`journeys generate`: touchpoints for load."""

from __future__ import annotations

from typing import Annotated

import typer

from journeys.cli.instant import instant


def generate(
    journeys: Annotated[int, typer.Option(min=1, metavar="N", help="How many journeys.")],
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same lines on every machine.")],
    output: Annotated[str, typer.Option(metavar="FILE", help="Where the lines go; - is standard output.")] = "-",
    touchpoints: Annotated[int, typer.Option(min=1, metavar="N", help="Touchpoints of a journey, on average.")] = 10,
    days: Annotated[int, typer.Option(min=1, metavar="N", help="Days within which the journeys begin.")] = 30,
    begin: Annotated[
        int | None,
        typer.Option(parser=instant, metavar="INSTANT", help="When the first begins; without it, 2025-01-01."),
    ] = None,
) -> None:
    """Make up touchpoints for load, as JSON lines in order of arrival.

    Some come twice, some late, some out of order; some journeys convert, most fall silent. All is decided
    by the seed. Memory holds the journeys under way, so that files may be of any length.
    """
    from journeys.agents.demo.load_generator import BEGIN_AT_MS
    from journeys.agents.demo.load_generator import generate as touchpoint_lines
    from journeys.cli.files.output_file import OutputFile

    lines = touchpoint_lines(journeys, seed, BEGIN_AT_MS if begin is None else begin, days, touchpoints)
    with OutputFile(output) as file:
        for line in lines:
            file.write(line)
