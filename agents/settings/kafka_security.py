"""TLS and SASL options for aiokafka's clients and Faust, made from the settings.

Files are read before a client connects: a replaced file takes effect at the next start.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from aiokafka.helpers import create_ssl_context

from journeys.agents.settings.security_files import (
    SecurityFileError,
    file_text,
    load_certificate,
    require_modern_tls,
    secret_text,
)
from journeys.agents.settings.settings import Settings

if TYPE_CHECKING:
    from faust.auth import Credentials

_DEFAULT_MECHANISM: Final = "SCRAM-SHA-512"


class _Password(str):
    """A password whose repr is masked: it may be in a dict of options, or among the locals of a traceback."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'********'"


def security_options(settings: Settings) -> dict[str, Any]:
    """Options of aiokafka's clients: protocol, TLS context, and for SASL the mechanism, user and password.

    Raises SecurityFileError, which names the setting and the file.
    """
    protocol = settings.security_protocol
    if protocol == "PLAINTEXT":
        return {"security_protocol": protocol}
    options: dict[str, Any] = {"security_protocol": protocol, "ssl_context": _tls_context(settings)}
    if protocol == "SASL_SSL":
        options |= {
            "sasl_mechanism": settings.sasl_mechanism or _DEFAULT_MECHANISM,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": _Password(secret_text(settings, "sasl_password")),
        }
    return options


def faust_credentials(options: Mapping[str, Any]) -> Credentials | None:
    """The same options as credentials for Faust's `broker_credentials`; None for PLAINTEXT."""
    from faust.auth import SASLCredentials, SSLCredentials  # noqa: PLC0415 - readers of topics need no Faust

    protocol = options.get("security_protocol", "PLAINTEXT")
    if protocol == "PLAINTEXT":
        return None
    context: ssl.SSLContext = options["ssl_context"]
    if protocol == "SSL":
        return SSLCredentials(context)
    return SASLCredentials(
        mechanism=options["sasl_mechanism"],
        username=options["sasl_plain_username"],
        password=options["sasl_plain_password"],
        ssl_context=context,
    )


def _tls_context(settings: Settings) -> ssl.SSLContext:
    ca_file = settings.tls_ca_file
    file_text(settings, "tls_ca_file")
    try:
        context: ssl.SSLContext = create_ssl_context(cafile=ca_file)
    except ssl.SSLError:
        raise SecurityFileError(f"JOURNEYS_TLS_CA_FILE: {ca_file} holds no certificate in PEM") from None
    require_modern_tls(context)
    load_certificate(context, settings)
    return context
