"""TLS and SASL options for aiokafka's clients and Faust, made from the settings.

Files are read before a client connects: a replaced file takes effect at the next start.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiokafka.helpers import create_ssl_context

from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.security_fault import variable
from journeys.agents.settings.settings import Settings

if TYPE_CHECKING:
    from faust.auth import Credentials

_DEFAULT_MECHANISM: Final = "SCRAM-SHA-512"


class _Password(str):
    """A password whose repr is masked: it may be in a dict of options, or among the locals of a traceback."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'********'"


class SecurityFileError(OperationError):
    """A certificate, key or password file can't be used."""


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
            "sasl_plain_password": _Password(_password(settings, "sasl_password")),
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
    ca_file, cert_file, key_file = settings.tls_ca_file, settings.tls_cert_file, settings.tls_key_file
    for name in ("tls_ca_file", "tls_cert_file", "tls_key_file"):
        _text(settings, name)
    password = _password(settings, "tls_key_password")
    try:
        context: ssl.SSLContext = create_ssl_context(cafile=ca_file)
    except ssl.SSLError:
        raise SecurityFileError(f"JOURNEYS_TLS_CA_FILE: {ca_file} holds no certificate in PEM") from None
    if cert_file is None:
        return context
    try:
        # Without a callback OpenSSL would ask the terminal for the password of an encrypted key.
        context.load_cert_chain(cert_file, key_file, password or _no_password)
    except _PasswordNeededError:
        raise SecurityFileError(
            f"JOURNEYS_TLS_KEY_FILE: {key_file} is encrypted: set JOURNEYS_TLS_KEY_PASSWORD_FILE"
        ) from None
    except (ssl.SSLError, ValueError) as error:  # ValueError: a password of more than 1024 bytes
        raise SecurityFileError(_key_problem(settings, error, has_password=password is not None)) from None
    return context


class _PasswordNeededError(Exception):
    """The key is encrypted, and no password is configured."""


def _no_password() -> str:
    raise _PasswordNeededError


def _key_problem(settings: Settings, error: Exception, *, has_password: bool) -> str:
    cert_file, key_file = settings.tls_cert_file, settings.tls_key_file
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return f"JOURNEYS_TLS_KEY_FILE: {key_file} is not the key of the certificate in {cert_file}"
    if _is_certificate(cert_file):
        if has_password:
            return f"JOURNEYS_TLS_KEY_FILE: {key_file} holds no private key in PEM that this password decrypts"
        return f"JOURNEYS_TLS_KEY_FILE: {key_file} holds no private key in PEM"
    return f"JOURNEYS_TLS_CERT_FILE: {cert_file} holds no certificate in PEM"


def _is_certificate(path: Path | None) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return False
    return True


def _password(settings: Settings, name: str) -> str | None:
    """Password of a setting, or of the file in `<name>_file`; None if neither is set."""
    secret = getattr(settings, name)
    if secret is not None:
        plain: str = secret.get_secret_value()
        return plain
    text = _text(settings, f"{name}_file")
    if text is None:
        return None
    password = text.removesuffix("\n").removesuffix("\r")
    if not password:
        raise SecurityFileError(f"{variable(name)}_FILE: {getattr(settings, f'{name}_file')} is empty")
    return password


def _text(settings: Settings, name: str) -> str | None:
    """Text of the file of a setting; None if the setting is not set."""
    path: Path | None = getattr(settings, name)
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SecurityFileError(f"{variable(name)}: {path} can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SecurityFileError(f"{variable(name)}: {path} is not text (PEM is)") from None
