"""`journeys dashboard`: the local page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from journeys.cli.files.history_input import AsLogged, Map, Sort, history_input, is_standard_input, shown_name
from journeys.cli.options import Quiet
from journeys.cli.output import print_line, print_note
from journeys.cli.store import Store

if TYPE_CHECKING:
    from ssl import SSLContext

    from journeys.agents.dashboard.journey_index import JourneyIndex
    from journeys.agents.dashboard.page_server import PageServer
    from journeys.streams.rule.policy import Policy

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def dashboard(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE", help="History: files or folders as for `journeys replay`.")
    ] = None,
    *,
    mapping: Map = None,
    sort: Sort = False,
    as_logged: AsLogged = False,
    store: Store = None,
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Policy (TOML) for history, in place of the default or the log's."),
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

    Over files, or over the file of an embedded manager (--store), as it is at the start. Only who has the address with
    its token sees the page. It changes nothing. Ends with Ctrl-C.
    """
    from tempfile import TemporaryDirectory

    from journeys.agents.dashboard.journey_index import JourneyIndex
    from journeys.agents.dashboard.page_server import PageServer
    from journeys.agents.settings.policy_file import load_policy

    if bool(files) == (store is not None):
        raise typer.BadParameter("name history in files, or --store FILE: one of the two")
    tls = _tls(host, tls_cert, tls_key)
    policies = [load_policy(path) for path in beside or ()]
    with TemporaryDirectory(prefix="journeys-dashboard-") as folder:
        index = JourneyIndex(Path(folder) / "index.sqlite3")
        replaced = None if policy is None else load_policy(policy)
        print_note("reading the history ...", quiet=quiet)
        name = _index(index, files or [], mapping, store, replaced, sort=sort, as_logged=as_logged)
        hosts = {host} if host not in _LOOPBACK else set(_LOOPBACK)
        _run(PageServer(index, name, policies, hosts), host, port, tls)


def _index(
    index: JourneyIndex,
    files: list[str],
    mapping: str | None,
    store: Path | None,
    policy: Policy | None,
    *,
    sort: bool,
    as_logged: bool,
) -> str:
    """Make the index, and give the name of what is looked at."""
    from journeys.agents.dashboard.file_source import index_files

    if store is not None:
        from training_orchestrator.store.store_index import index_store

        if mapping is not None or sort or as_logged or policy is not None:
            raise typer.BadParameter("--store is a log and read as it stands: no --map, --sort, --as-logged, --policy")
        index_store(store, index)
        return str(store)
    if any(map(is_standard_input, files)):
        raise typer.BadParameter("standard input can't be shown: name a file", param_hint="FILE")
    with history_input(files, mapping=mapping, sort=sort, as_logged=as_logged) as file:
        index_files(file, policy, index)
    return shown_name(files)


def _tls(host: str, certificate: Path | None, key: Path | None) -> SSLContext | None:
    import ssl

    if (certificate is None) != (key is None):
        raise typer.BadParameter("--tls-cert and --tls-key belong together")
    if certificate is None or key is None:
        if host not in _LOOPBACK:
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


def _run(server: PageServer, host: str, port: int, tls: SSLContext | None) -> None:
    from journeys.agents.dashboard.serving import serve
    from journeys.cli.operation import run_operation

    run_operation(serve(server, host, port, tls, print_line))
