"""Addresses of this machine's development servers, read from the port files that they write into the data folder.

Clients use them where no server is configured, and so need none of the code that starts servers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, NamedTuple

LOOPBACK: Final = "127.0.0.1"


class EmulatorAddresses(NamedTuple):
    """Addresses of the BigQuery emulator: its REST API as a URL, its Storage Write API as host:port."""

    http_url: str
    grpc: str


def kafka_folder(data_dir: Path) -> Path:
    """Folder of the development broker."""
    return data_dir / "kafka"


def emulator_folder(data_dir: Path) -> Path:
    """Folder of the BigQuery emulator."""
    return data_dir / "stack" / "emulator"


def development_kafka(data_dir: Path) -> str | None:
    """Bootstrap servers of the development broker, running or not; None if it was never started."""
    ports = _ports(kafka_folder(data_dir) / "listeners.json")
    return None if ports is None else f"{LOOPBACK}:{ports['port']}"


def development_bigquery(data_dir: Path) -> EmulatorAddresses | None:
    """Addresses of the BigQuery emulator, running or not; None if it was never started."""
    ports = _ports(emulator_folder(data_dir) / "ports.json")
    if ports is None:
        return None
    return EmulatorAddresses(f"http://{LOOPBACK}:{ports['http']}", f"{LOOPBACK}:{ports['grpc']}")


def _ports(file: Path) -> dict[str, int] | None:
    try:
        ports: dict[str, int] = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    return ports
