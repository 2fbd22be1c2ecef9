"""A Kafka with TLS, SCRAM and an authorizer: the development broker with other listeners.

Two listeners for clients: SASL_SSL (SCRAM) and SSL (client certificates); nothing else is let in. The principal of a
certificate is its common name, so `User:worker` is the same whichever way it comes.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import asdict
from pathlib import Path
from string import Template
from time import monotonic, sleep

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from journeys.agents.devserver.kafka_listeners import listeners_for, stored_listeners
from journeys.agents.devserver.local_kafka import LocalKafka
from journeys.agents.kafka.connection import require_broker
from journeys.agents.settings.development_servers import LOOPBACK
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings

_START_SECONDS = 120.0
ADMIN = "admin"  # User:admin may do everything
_PROPERTIES = """
listeners=SASL_SSL://${host}:${port},SSL://${host}:${ssl_port},CONTROLLER://${host}:${controller_port}
advertised.listeners=SASL_SSL://${host}:${port},SSL://${host}:${ssl_port}
listener.security.protocol.map=CONTROLLER:SSL,SASL_SSL:SASL_SSL,SSL:SSL
inter.broker.listener.name=SSL
sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required ${plain}
ssl.keystore.type=PEM
ssl.keystore.location=${folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location=${folder}/ca.pem
listener.name.ssl.ssl.client.auth=required
listener.name.controller.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^.*CN=([^,]+).*$$/$$1/
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:broker;User:admin
"""


class SecureKafka(LocalKafka):
    """The Kafka process of one data directory, with users of its own, who all have one password."""

    def __init__(self, directory: Path, *users: str) -> None:
        super().__init__(directory)
        self.users = (ADMIN, *users)
        self.password = secrets.token_urlsafe(24)
        self.folder = self.directory / "certificates"
        self.folder.mkdir(parents=True)
        self.password_file = self.folder / "password"
        self.password_file.write_text(f"{self.password}\n")
        self._ca = trustme.CA()
        self.ca_file = self.folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.ca_file)
        self.certificate("broker", LOOPBACK)
        self._ssl_port = listeners_for(self.directory / "ssl").port

    def certificate(self, user: str, name: str = "client.test", password: bytes | None = None) -> Path:
        """Write certificate and key (PKCS 8, as Kafka wants it) of a user into one file."""
        issued = self._ca.issue_cert(name, common_name=user)
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
        parts = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)]
        parts += [part.bytes() for part in issued.cert_chain_pems]
        path = self.folder / f"{user}.pem"
        path.write_bytes(b"".join(parts))
        return path

    def scram(self, user: str, **more: object) -> Settings:
        """Settings of a user with SCRAM; `more` settings go before them."""
        return self._settings(
            more,
            bootstrap_servers=self.bootstrap_servers,
            security_protocol="SASL_SSL",
            sasl_username=user,
            sasl_password_file=self.password_file,
        )

    def wait_until_it_answers(self) -> None:
        """Wait for the first answer; fails with the end of the log."""
        deadline = monotonic() + _START_SECONDS
        settings = self.mutual_tls(ADMIN)
        while True:
            try:
                asyncio.run(require_broker(settings))
            except OperationError:
                tail = "\n".join(self.log_tail(20))
                assert self.running(), f"Kafka ended; its log ends:\n{tail}"
                assert monotonic() < deadline, f"Kafka does not answer; its log ends:\n{tail}"
                sleep(0.1)
            else:
                return

    def mutual_tls(self, user: str, **more: object) -> Settings:
        """Settings of a user with a certificate; `more` settings go before them."""
        path = self.certificate(user)
        servers = f"{LOOPBACK}:{self._ssl_port}"
        return self._settings(
            more, bootstrap_servers=servers, security_protocol="SSL", tls_cert_file=path, tls_key_file=path
        )

    def _settings(self, more: dict[str, object], **given: object) -> Settings:
        return Settings(_env_file=None, **{"tls_ca_file": self.ca_file} | given | more)

    def _configure(self, port: int | None) -> None:
        super()._configure(port)
        listeners = stored_listeners(self.directory)
        assert listeners is not None
        values = asdict(listeners) | {"host": LOOPBACK, "ssl_port": self._ssl_port, "folder": self.folder}
        values["plain"] = f'user_worker="{self.password}";'
        with self._properties.open("a", encoding="utf-8") as properties:  # of a key that stands twice the last counts
            properties.write(Template(_PROPERTIES).substitute(values))

    def _format(self, java_command: list[str], *options: str) -> None:
        known = [("SCRAM-SHA-512", user) for user in self.users] + [("SCRAM-SHA-256", "worker")]
        for mechanism, user in known:
            options += ("--add-scram", f"{mechanism}=[name={user},password={self.password}]")
        super()._format(java_command, *options)
