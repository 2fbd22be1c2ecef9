"""`journeys dashboard`: the local page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from journeys.cli.files.history_input import AsLogged, Map, Sort, history_input, is_standard_input, shown_name
from journeys.cli.options import Application, Quiet, Servers, settings_of
from journeys.cli.output import print_line, print_note
from journeys.cli.store import Store

if TYPE_CHECKING:
    from ssl import SSLContext

    from journeys.agents.dashboard.journey_index import JourneyIndex
    from journeys.streams.rule.policy import Policy


def dashboard(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE", help="History: files or folders as for `journeys replay`.")
    ] = None,
    *,
    mapping: Map = None,
    sort: Sort = False,
    as_logged: AsLogged = False,
    store: Store = None,
    bootstrap_servers: Servers = None,
    application_id: Application = None,
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Policy (TOML) in place of the default or the log's."),
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option("--beside", metavar="FILE", help="Policy (TOML) to show each journey under; may be repeated."),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="Of the page; 0 takes a free one.")
    ] = 8484,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Address to listen on; another than loopback needs TLS.")
    ] = "127.0.0.1",
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", metavar="FILE", help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Its key, PEM.")] = None,
    quiet: Quiet = False,
) -> None:
    """Show a page of what is happening, and why each journey ended; under other policies, too.

    Over files, or over the file of an embedded manager (--store), as it is at the start; without either over Kafka, as
    it goes on. Only who has the address with its token sees the page. It changes nothing. Ends with Ctrl-C.
    """
    from journeys.agents.dashboard.journey_index import JourneyIndex
    from journeys.agents.dashboard.live_page import serve_topic
    from journeys.agents.dashboard.page_server import PageServer
    from journeys.agents.dashboard.serving import serve
    from journeys.agents.settings.policy_file import load_policy
    from journeys.cli.operation import run_operation

    if files and store is not None:
        raise typer.BadParameter("name history in files, or --store FILE: one of the two")
    if not files:
        _require_none({"--map": mapping, "--policy": policy, "--sort": sort, "--as-logged": as_logged})
    tls = _tls(host, tls_cert, tls_key)
    policies = [load_policy(path) for path in beside or ()]
    replaced = None if policy is None else load_policy(policy)
    if not files and store is None:
        settings = settings_of(bootstrap_servers=bootstrap_servers, application_id=application_id)
        run_operation(serve_topic(settings, policies, host, port, tls, print_line))
        return
    index = JourneyIndex()
    print_note("reading the history ...", quiet=quiet)
    check = None
    if store is None:
        name = _index_files(index, files or [], mapping, replaced, sort=sort, as_logged=as_logged)
    else:
        from training_orchestrator.store.store_index import check_of_store, index_store

        index_store(store, index)
        name = str(store)
        check = check_of_store(store)
    run_operation(serve(PageServer(index, name, policies, host, check=check), host, port, tls, print_line))


def _require_none(options: dict[str, object]) -> None:
    for name, given in options.items():
        if given:
            raise typer.BadParameter(f"{name} is for history in files: name some")


def _index_files(
    index: JourneyIndex,
    files: list[str],
    mapping: str | None,
    policy: Policy | None,
    *,
    sort: bool,
    as_logged: bool,
) -> str:
    """Index files, and give their name."""
    from journeys.agents.dashboard.file_source import index_files

    if any(map(is_standard_input, files)):
        raise typer.BadParameter("standard input can't be shown: name a file", param_hint="FILE")
    with history_input(files, mapping=mapping, sort=sort, as_logged=as_logged) as file:
        index_files(file, policy, index)
    return shown_name(files)


def _tls(host: str, certificate: Path | None, key: Path | None) -> SSLContext | None:
    import ssl

    from journeys.agents.dashboard.page_server import LOOPBACK

    if (certificate is None) != (key is None):
        raise typer.BadParameter("--tls-cert and --tls-key belong together")
    if certificate is None or key is None:
        if host not in LOOPBACK:
            raise typer.BadParameter(
                f"{host} is not loopback: give --tls-cert and --tls-key, or listen on 127.0.0.1 behind a proxy"
            )
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise typer.BadParameter(f"{certificate}, {key}: no certificate with its key ({error})") from None
    return context
