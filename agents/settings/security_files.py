"""Certificates, keys and secrets from the files that settings name. An error names the setting and the file."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.security_fault import variable

if TYPE_CHECKING:
    from journeys.agents.settings.settings import Settings


class SecurityFileError(OperationError):
    """A certificate, key or password file can't be used."""


def require_modern_tls(context: ssl.SSLContext) -> None:
    """Take TLS 1.2 or newer, also where the system's OpenSSL is content with less."""
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)


def load_certificate(context: ssl.SSLContext, settings: Settings, prefix: str = "tls") -> None:
    """Load the certificate `<prefix>_cert_file` and its key into a context; does nothing where none is set.

    Raises SecurityFileError.
    """
    cert_file: Path | None = getattr(settings, f"{prefix}_cert_file")
    key_file: Path | None = getattr(settings, f"{prefix}_key_file")
    key = variable(f"{prefix}_key_file")
    for name in ("cert_file", "key_file"):
        file_text(settings, f"{prefix}_{name}")
    password = secret_text(settings, f"{prefix}_key_password")
    if cert_file is None:
        return
    try:
        # Without a callback OpenSSL would ask the terminal for the password of an encrypted key.
        context.load_cert_chain(cert_file, key_file, password or _no_password)
    except _PasswordNeededError:
        raise SecurityFileError(
            f"{key}: {key_file} is encrypted: set {variable(f'{prefix}_key_password')}_FILE"
        ) from None
    except (ssl.SSLError, ValueError) as error:  # ValueError: a password of more than 1024 bytes
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            fault = f"{key}: {key_file} is not the key of the certificate in {cert_file}"
        elif not _is_certificate(cert_file):
            fault = f"{variable(f'{prefix}_cert_file')}: {cert_file} holds no certificate in PEM"
        else:
            that = "" if password is None else " that this password decrypts"
            fault = f"{key}: {key_file} holds no private key in PEM{that}"
        raise SecurityFileError(fault) from None


def secret_text(settings: Settings, name: str) -> str | None:
    """Secret of a setting, or of the file in `<name>_file`; None if neither is set. Raises SecurityFileError."""
    secret = getattr(settings, name)
    if secret is not None:
        plain: str = secret.get_secret_value()
        return plain
    text = file_text(settings, f"{name}_file")
    if text is None:
        return None
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise SecurityFileError(f"{variable(name)}_FILE: {getattr(settings, f'{name}_file')} is empty")
    return secret


def file_text(settings: Settings, name: str) -> str | None:
    """Text of the file of a setting; None if the setting is not set. Raises SecurityFileError."""
    path: Path | None = getattr(settings, name)
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SecurityFileError(f"{variable(name)}: {path} can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SecurityFileError(f"{variable(name)}: {path} is not text (PEM is)") from None


class _PasswordNeededError(Exception):
    """The key is encrypted, and no password is configured."""


def _no_password() -> str:
    raise _PasswordNeededError


def _is_certificate(path: Path) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return False
    return True
