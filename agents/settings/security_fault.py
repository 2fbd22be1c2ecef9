"""What is missing or too much among the settings of TLS and SASL. Pure: no file is looked at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol


class SecuritySettings(Protocol):
    """Settings of TLS and SASL, as `Settings` has them."""

    @property
    def security_protocol(self) -> str:
        """PLAINTEXT, SSL or SASL_SSL."""

    @property
    def bootstrap_servers(self) -> str | None:
        """Kafka's servers, if any are set."""


_SASL: Final = ("sasl_mechanism", "sasl_username", "sasl_password", "sasl_password_file")
_TLS: Final = ("tls_ca_file", "tls_cert_file", "tls_key_file", "tls_key_password", "tls_key_password_file")
_PASSWORDS: Final = ("sasl_password", "tls_key_password")


def variable(setting: str) -> str:
    """Environment variable of a setting."""
    return f"JOURNEYS_{setting.upper()}"


def security_fault(settings: SecuritySettings) -> str | None:
    """Give one line that names the setting and says what would be right; None where nothing is wrong."""
    protocol = settings.security_protocol
    given = {name for name in (*_SASL, *_TLS) if getattr(settings, name) is not None}
    for idle, wanted in ((_SASL, ("SASL_SSL",)), (_TLS, ("SSL", "SASL_SSL"))):
        too_much = [name for name in idle if name in given]
        if too_much and protocol not in wanted:
            return _said(too_much[0], f"is set, but JOURNEYS_SECURITY_PROTOCOL is {protocol}: set it to", wanted)
    for name in _PASSWORDS:
        if {name, f"{name}_file"} <= given:
            return f"{variable(name)} and {variable(name)}_FILE are both set: one of them is enough"
    if protocol == "SASL_SSL" and "sasl_username" not in given:
        return "JOURNEYS_SASL_USERNAME is not set, and JOURNEYS_SECURITY_PROTOCOL is SASL_SSL"
    if protocol == "SASL_SSL" and not {"sasl_password", "sasl_password_file"} & given:
        return "neither JOURNEYS_SASL_PASSWORD nor JOURNEYS_SASL_PASSWORD_FILE is set, one is needed for SASL_SSL"
    return _key_fault(given) or _server_fault(settings)


def _key_fault(given: set[str]) -> str | None:
    for name, other in (("tls_cert_file", "tls_key_file"), ("tls_key_file", "tls_cert_file")):
        if name in given and other not in given:
            return f"{variable(name)} is set and {variable(other)} is not: a certificate needs its key (PEM)"
    for name in ("tls_key_password", "tls_key_password_file"):
        if name in given and "tls_key_file" not in given:
            return f"{variable(name)} is set and JOURNEYS_TLS_KEY_FILE is not: there is no key that it would open"
    return None


def _server_fault(settings: SecuritySettings) -> str | None:
    if settings.security_protocol != "PLAINTEXT" and not settings.bootstrap_servers:
        return (
            f"JOURNEYS_SECURITY_PROTOCOL is {settings.security_protocol} and JOURNEYS_BOOTSTRAP_SERVERS is not set: "
            "the broker for development speaks neither TLS nor SASL"
        )
    return None


def _said(name: str, why: str, wanted: Iterable[str]) -> str:
    return f"{variable(name)} {why} {' or '.join(wanted)}, or unset {variable(name)}"
