"""`journeys ecom`: the demo's clickstream as lines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def ecom(
    mapping: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Which event means which state, and what touchpoints cost (TOML) [default: built in]."
        ),
    ] = None,
    made: Annotated[int, typer.Option(min=0, metavar="N", help="How many generated journeys to add.")] = 0,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the generated journeys.")] = 1,
    output: Annotated[str, typer.Option(metavar="FILE", help="Where the lines go; - is standard output.")] = "-",
) -> None:
    """Write the clickstream ecom of the package retentioneering as JSON lines, in order of time.

    A user is a journey. The data has no journey that lasts 14 days: generated ones, which time out, are
    extended, signalled and abandoned by hand, can be added. Costs are assumed, by acquisition channel.
    """
    from itertools import chain

    from journeys.agents.demo.ecom import load_mapping, touchpoints
    from journeys.agents.demo.made_journeys import arrivals, merge
    from journeys.cli.files.output_file import OutputFile
    from journeys.schemas.instants import parse_instant

    lines = touchpoints(load_mapping(mapping))
    first = next(lines)
    generated = arrivals(seed, parse_instant(first["occurred_at"]), made)
    with OutputFile(output) as file:
        for line in merge(generated, chain([first], lines)):
            file.write(line)
