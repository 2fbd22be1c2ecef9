"""The error of a client that is authenticated and lacks rights (ACLs) that it needs."""

from __future__ import annotations

from collections.abc import Sequence

from journeys.agents.kafka.rights import Right, acl_command
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings


class MissingRightsError(OperationError):
    """Rights are missing. The text has one line for each, with the command that grants it."""

    def __init__(self, settings: Settings, missing: Sequence[Right]) -> None:
        who, principal = _who(settings)
        servers = settings.bootstrap_servers or "..."
        super().__init__(
            "\n".join(
                f"{who} may not {right.operation} {right.resource} {right.name}: "
                f"`{acl_command([right], principal, servers)}`"
                for right in missing
            )
        )
        self.missing = tuple(missing)


def _who(settings: Settings) -> tuple[str, str]:
    """This client: a description for people, and its principal for Kafka's tools."""
    if settings.sasl_username is not None:
        return f"user {settings.sasl_username}", f"User:{settings.sasl_username}"
    if settings.tls_cert_file is not None:
        return f"the owner of the certificate in {settings.tls_cert_file}", "User:..."
    return "a user without a name", "User:ANONYMOUS"
