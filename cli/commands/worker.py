"""`journeys worker`: the program that processes the input topic, live."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from journeys.cli.options import Application, Servers, settings_of
from journeys.cli.output import print_error


def worker(
    bootstrap_servers: Servers = None,
    application_id: Application = None,
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Policy (TOML) to put in force; without it, the log's stays."),
    ] = None,
    store: Annotated[
        Literal["memory", "rocksdb"] | None, typer.Option(help="Where the table is kept beside its changelog.")
    ] = None,
    worker_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Its name in logs and punctuations; without it host and process.")
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=0, max=65_535, help="Serve health and metrics there; 0 takes a free port."),
    ] = None,
    log_level: Annotated[Literal["debug", "info", "warning", "error"] | None, typer.Option(help="Least level.")] = None,
    log_format: Annotated[Literal["console", "json"] | None, typer.Option(help="Text or JSON lines.")] = None,
) -> None:
    """Run a worker until it is stopped: read journeys, decide, publish abandonments with their penalties.

    Several workers share the partitions. A worker creates missing topics unless JOURNEYS_CREATE_TOPICS is
    false, and refuses to start where topics do not fit. With an exit code from 70 on it can be restarted.
    """
    settings = settings_of(
        bootstrap_servers=bootstrap_servers,
        application_id=application_id,
        policy=policy,
        store=None if store is None else f"{store}://",
        worker_id=worker_id,
        metrics_port=metrics_port,
        log_level=log_level,
        log_format=log_format,
    )
    from journeys.agents.settings.operation_error import OperationError
    from journeys.agents.worker.ports.worker_exit import WorkerExit
    from journeys.agents.worker.process import restart_may_help, run_worker

    try:
        code = run_worker(settings)
    except OperationError as error:
        if not restart_may_help(error):
            raise
        print_error(str(error))
        code = WorkerExit.UNREACHABLE
    raise typer.Exit(code)
