"""`journeys inspect`: what files hold, and a mapping for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from journeys.cli.files.history_input import Files, is_standard_input
from journeys.cli.options import Json, Quiet
from journeys.cli.output import print_json, print_note


def inspect(
    files: Files,
    write: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a mapping (TOML) that fits, to be looked through and used."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Policy (TOML) whose durations stand beside the silences.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Look at files of any shape: what they hold, what it probably means, what is missing.

    Nothing is changed. The mapping that --write writes is taken by --map of replay, report, backtest, pack, import and
    produce. Where files have a known shape it is that preset's.
    """
    from journeys.agents.discovery.inspection import inspect_files
    from journeys.agents.files.raw_table import connection
    from journeys.agents.files.source_file import regular_files
    from journeys.agents.files.whole_file import require_writable, whole_file
    from journeys.agents.settings.policy_file import load_policy
    from journeys.cli.views.inspection_text import inspection_json, print_inspection
    from journeys.streams.rule.policy import DEFAULT_POLICY

    if write is not None:
        require_writable(write, files)
    durations = DEFAULT_POLICY if policy is None else load_policy(policy)
    plain = ["-" if is_standard_input(path) else path for path in files]
    with regular_files(plain) as sources, connection() as database:
        found = inspect_files(database, sources, durations)
    if write is not None:
        with whole_file(write) as partial:
            partial.write_text(found.mapping, "utf-8")
    if as_json:
        print_json(inspection_json(found, write))
    else:
        print_inspection(found, durations)
    if write is not None:
        names = " ".join(files)
        print_note(f"mapping written; next: journeys report {names} --map {write}", quiet=quiet or as_json)
