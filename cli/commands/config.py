"""`journeys config`: every setting, and where it comes from."""

from __future__ import annotations

from journeys.cli.options import Json, settings_of
from journeys.cli.output import print_error, print_json, print_line


def config(as_json: Json = False) -> None:
    """Show every setting with its value and where it comes from: default, environment, or the file .env.

    Passwords are shown as ********. A variable JOURNEYS_... that is no setting is named: it may be a slip.
    """
    from journeys.agents.settings.setting_sources import setting_sources, unknown_variables

    rows = setting_sources(settings_of())
    if as_json:
        print_json({"settings": [row._asdict() for row in rows], "unknown_variables": unknown_variables()})
        return
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for row in rows:
        print_line(f"{row.variable:<{widths[0]}}  {row.value:<{widths[1]}}  {row.source}")
    for name in unknown_variables():
        print_error(f"{name} is no setting and changes nothing")
