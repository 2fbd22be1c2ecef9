"""The program as its next version: a copy of it in which the contract of abandonments is another one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from os import environ
from pathlib import Path
from typing import Any

from fastavro import parse_schema, schemaless_writer

from journeys.agents.bigquery.client import Warehouse
from journeys.schemas.admission import bare_schema
from journeys.schemas.catalog import own_schemas
from journeys.schemas.codec import prefix_of

from .rows import abandonment

ROOT = Path(__file__).parent.parent.parent
CONTRACT = "JourneyAbandoned"
DEVICE = {"name": "device", "type": ["null", "string"], "default": None, "doc": "What the journey was last seen on."}


class NextVersion:
    """The program in a folder of its own, its contract changed. `contract` is the new schema."""

    def __init__(self, folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
        self.root = folder
        # The links in journeys/ are followed: the copy has the rooms themselves.
        shutil.copytree(ROOT / "journeys", folder / "journeys", ignore=shutil.ignore_patterns("__pycache__"))
        place = folder / "journeys" / "schemas" / "avro"
        # As a release does it: the version before stays readable without a registry.
        (place / "earlier").mkdir(exist_ok=True)
        shutil.copy(place / "journey_abandoned.avsc", place / "earlier" / "journey_abandoned_before.avsc")
        self.contract: dict[str, Any] = json.loads(json.dumps(own_schemas()[CONTRACT]))
        change(self.contract)
        (place / "journey_abandoned.avsc").write_text(json.dumps(self.contract), "utf-8")

    def run(self, house: Warehouse, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of its commands about a dataset to its end."""
        inherited = {name: value for name, value in environ.items() if not name.startswith("JOURNEYS_")}
        return subprocess.run(
            [sys.executable, "-m", "journeys.cli", *arguments],
            cwd=self.root,
            env=inherited | {"PYTHONPATH": str(self.root)} | environment_of(house),
            capture_output=True,
            text=True,
            check=False,
        )


def with_device(contract: dict[str, Any]) -> None:
    """The change of a new nullable field."""
    contract["fields"].append(DEVICE)


def written_as(contract: dict[str, Any], schema_id: int, number: int, **more: Any) -> bytes:
    """Wire bytes of an abandonment under another contract, as a worker of that version writes it."""
    out = BytesIO(prefix_of(schema_id))
    out.seek(0, 2)
    schemaless_writer(out, parse_schema(bare_schema(contract)), abandonment(number)._asdict() | more)
    return out.getvalue()


def environment_of(house: Warehouse) -> dict[str, str]:
    """Settings that lead a process to a dataset."""
    return {
        "JOURNEYS_BIGQUERY_PROJECT": house.project,
        "JOURNEYS_BIGQUERY_DATASET": house.dataset,
        "JOURNEYS_BIGQUERY_ENDPOINT": str(house.endpoint),
        "JOURNEYS_BIGQUERY_GRPC_ENDPOINT": str(house.grpc_endpoint),
    }
