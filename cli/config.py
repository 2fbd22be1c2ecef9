"""`journeys config`: every setting, and where it comes from."""

from __future__ import annotations

import typer

from journeys.cli.command_line import complain
from journeys.cli.options import settings_of


def config() -> None:
    """Show every setting with its value and where it comes from: default, environment, or the file .env.

    Passwords are shown as ********. A variable JOURNEYS_... that is no setting is named: it may be a slip.
    """
    from journeys.agents.settings.setting_sources import setting_sources, unknown_variables

    rows = setting_sources(settings_of())
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for row in rows:
        typer.echo(f"{row.variable:<{widths[0]}}  {row.value:<{widths[1]}}  {row.source}")
    for name in unknown_variables():
        complain(f"{name} is no setting and changes nothing")
