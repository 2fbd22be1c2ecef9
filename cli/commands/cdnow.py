"""`journeys cdnow`: purchases of real customers as lines."""

from __future__ import annotations

from typing import Annotated

import typer


def cdnow(
    output: Annotated[str, typer.Option(metavar="FILE", help="Where the lines go; - is standard output.")] = "-",
) -> None:
    """Write the purchases CDNOW of the package lifetimes as JSON lines, in order of time.

    A customer is a journey, a purchase a touchpoint. 18 months of 23,570 real customers, to try timeouts on.
    """
    from journeys.agents.demo.cdnow import purchases
    from journeys.cli.files.output_file import OutputFile

    lines = purchases()
    with OutputFile(output) as file:
        for line in lines:
            file.write(line)
