"""Why a broker refuses this client, in one line that names the setting. Pure."""

from __future__ import annotations

import ssl
from asyncio import IncompleteReadError
from typing import Final

from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from journeys.agents.settings.settings import Settings

_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "UNEXPECTED_EOF_WHILE_READING", "RECORD_LAYER_FAILURE"})
_NO_CERTIFICATE: Final = frozenset({"SSLV3_ALERT_BAD_CERTIFICATE", "TLSV13_ALERT_CERTIFICATE_REQUIRED"})
_CERTIFICATE: Final = frozenset(
    {
        *_NO_CERTIFICATE,
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_UNKNOWN_CA",
    }
)


def refusal(error: BaseException, server: str, settings: Settings) -> str | None:
    """Reason for which `server` refuses the connection; None for an error that means that no broker answers."""
    match error:
        case SaslAuthenticationFailed():
            return (
                f"Kafka at {server} refuses user {settings.sasl_username!r} with this password: "
                "see JOURNEYS_SASL_USERNAME, JOURNEYS_SASL_PASSWORD (or ..._FILE) and JOURNEYS_SASL_MECHANISM"
            )
        case UnsupportedSaslMechanismError():
            return f"{error.args[0] if error.args else error}: see JOURNEYS_SASL_MECHANISM ({server})"
        case IllegalSaslStateError():
            return f"Kafka at {server} asks for no password: set JOURNEYS_SECURITY_PROTOCOL to SSL, or use another port"
        case ssl.SSLCertVerificationError():
            return _untrusted(error, server, settings)
        case ssl.SSLError():
            return _tls(error, server, settings)
        case KafkaConnectionError() if isinstance(error.__cause__, ssl.SSLError):
            return _tls(error.__cause__, server, settings)
        case KafkaConnectionError() if isinstance(error.__cause__, IncompleteReadError):
            return _closed(server, settings)
    return None


def _untrusted(error: ssl.SSLCertVerificationError, server: str, settings: Settings) -> str:
    why = error.verify_message.rstrip(".")
    if "mismatch" in why:
        return f"the certificate of Kafka at {server} is for another name ({why}): see JOURNEYS_BOOTSTRAP_SERVERS"
    authorities = "those of this system" if settings.tls_ca_file is None else f"those in {settings.tls_ca_file}"
    return (
        f"the certificate of Kafka at {server} is not trusted ({why}): "
        f"its authority must be among {authorities}; see JOURNEYS_TLS_CA_FILE"
    )


def _tls(error: ssl.SSLError, server: str, settings: Settings) -> str:
    if error.reason in _NO_TLS:
        return f"the server at {server} does not use TLS: see JOURNEYS_SECURITY_PROTOCOL, or use another port"
    if error.reason in _CERTIFICATE and settings.tls_cert_file is None:
        return (
            f"Kafka at {server} asks for a client certificate: "
            "set JOURNEYS_TLS_CERT_FILE and JOURNEYS_TLS_KEY_FILE, or use the port for passwords"
        )
    if error.reason in _CERTIFICATE:
        return (
            f"Kafka at {server} refuses the certificate in {settings.tls_cert_file} ({error.reason}): "
            "see JOURNEYS_TLS_CERT_FILE"
        )
    return f"Kafka at {server} and this client can't agree on TLS ({error.reason or error})"


def _closed(server: str, settings: Settings) -> str:
    wanted = {
        "PLAINTEXT": "does it want TLS (SSL, SASL_SSL)",
        "SSL": "does it want a password (SASL_SSL), or no TLS",
        "SASL_SSL": "does it want no password",
    }[settings.security_protocol]
    return (
        f"the server at {server} closes the connection: {wanted}? "
        f"JOURNEYS_SECURITY_PROTOCOL is {settings.security_protocol}"
    )
