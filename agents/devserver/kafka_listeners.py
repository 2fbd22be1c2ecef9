"""The two ports of a development broker and the settings that name them."""

import json
import secrets
import socket
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from string import Template

from journeys.agents.settings.development_servers import LOOPBACK

TEMPLATE = Path(__file__).parent / "kafka_files" / "server.properties"
# Below the range from which Linux and macOS take the ports of outgoing connections. A client that keeps
# trying to reach a killed broker would sooner or later be given the broker's port as its own.
FIRST_PORT, LAST_PORT = 20000, 31999


@dataclass(frozen=True, slots=True)
class Listeners:
    """The port for clients and the port of the controller, both on loopback."""

    port: int
    controller_port: int

    @property
    def bootstrap_servers(self) -> str:
        """What a client is given: `127.0.0.1:port`."""
        return f"{LOOPBACK}:{self.port}"

    def properties(self, *, host: str, log_dirs: str) -> str:
        """Give the text of server.properties for a server that listens on `host` and stores in `log_dirs`."""
        return Template(TEMPLATE.read_text("utf-8")).substitute(asdict(self), host=host, log_dirs=log_dirs)

    def port_is_free(self) -> bool:
        """Tell whether no process listens on the port for clients."""
        return is_free(self.port)

    def store(self, directory: Path) -> None:
        """Keep the ports in `listeners.json` for every later start in the directory."""
        part = directory / "listeners.json.part"
        part.write_text(json.dumps(asdict(self)), "utf-8")
        part.replace(directory / "listeners.json")


def listeners_for(directory: Path, port: int | None = None) -> Listeners:
    """Choose the ports for a start in a data directory: those stored there, or free ones.

    `port` replaces the port for clients.
    """
    kept = stored_listeners(directory)
    if kept is None:
        client_port = port or free_port()
        chosen = Listeners(client_port, free_port(other_than=[client_port]))
    else:
        chosen = replace(kept, port=port or kept.port)
    if not is_free(chosen.controller_port):  # no client knows it: it may change
        chosen = replace(chosen, controller_port=free_port(other_than=[chosen.port]))
    return chosen


def stored_listeners(directory: Path) -> Listeners | None:
    """Give the ports that an earlier start chose, None if there was none."""
    try:
        return Listeners(**json.loads((directory / "listeners.json").read_text("utf-8")))
    except FileNotFoundError:
        return None


def free_port(*, other_than: Collection[int] = ()) -> int:
    """Give a port of loopback on which nothing listens."""
    while True:
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT + 1)
        if port not in other_than and is_free(port):
            return port


def is_free(port: int) -> bool:
    """Tell whether nothing listens on a port of loopback."""
    with socket.socket() as probe:
        # As Java does, or the closing connections of a killed broker would count as a listener.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
