"""Checks the TLS and SASL settings against each other. Pure: opens no file."""

from __future__ import annotations

from typing import Final, Protocol


class SecuritySettings(Protocol):
    """The part of `Settings` that is checked here."""

    @property
    def security_protocol(self) -> str:
        """PLAINTEXT, SSL or SASL_SSL."""

    @property
    def bootstrap_servers(self) -> str | None:
        """Kafka's servers, if any are set."""


_SASL: Final = ("sasl_mechanism", "sasl_username", "sasl_password", "sasl_password_file")
_TLS: Final = ("tls_ca_file", "tls_cert_file", "tls_key_file", "tls_key_password", "tls_key_password_file")
_METRICS: Final = (
    *("metrics_tls_cert_file", "metrics_tls_key_file", "metrics_tls_key_password", "metrics_tls_key_password_file"),
    *("metrics_token", "metrics_token_file"),
)
_LISTEN: Final = (
    *("listen_tls_cert_file", "listen_tls_key_file", "listen_tls_key_password", "listen_tls_key_password_file"),
    *("listen_keys", "listen_keys_file"),
)
_SECRETS: Final = (
    *("sasl_password", "tls_key_password", "metrics_tls_key_password", "metrics_token"),
    *("listen_keys", "listen_tls_key_password"),
)


def variable(setting: str) -> str:
    """Environment variable of a setting."""
    return f"JOURNEYS_{setting.upper()}"


def security_fault(settings: SecuritySettings) -> str | None:
    """One line that names the wrong or missing setting and the fix; None if the settings are consistent."""
    protocol = settings.security_protocol
    present = {name for name in (*_SASL, *_TLS, *_METRICS, *_LISTEN) if getattr(settings, name) is not None}
    for names, protocols in ((_SASL, ("SASL_SSL",)), (_TLS, ("SSL", "SASL_SSL"))):
        unused = [variable(name) for name in names if name in present]
        if unused and protocol not in protocols:
            return (
                f"{unused[0]} is set, but JOURNEYS_SECURITY_PROTOCOL is {protocol}: "
                f"set it to {' or '.join(protocols)}, or unset {unused[0]}"
            )
    for name in _SECRETS:
        if {name, f"{name}_file"} <= present:
            return f"{variable(name)} and {variable(name)}_FILE are both set: one of them is enough"
    if protocol == "SASL_SSL" and "sasl_username" not in present:
        return "JOURNEYS_SASL_USERNAME is not set, and JOURNEYS_SECURITY_PROTOCOL is SASL_SSL"
    if protocol == "SASL_SSL" and not {"sasl_password", "sasl_password_file"} & present:
        return "neither JOURNEYS_SASL_PASSWORD nor JOURNEYS_SASL_PASSWORD_FILE is set, one is needed for SASL_SSL"
    key_faults = (_key_fault(present, prefix) for prefix in ("tls", "metrics_tls", "listen_tls"))
    return next(filter(None, key_faults), None) or _server_fault(settings)


def _key_fault(present: set[str], prefix: str) -> str | None:
    cert_file, key_file = f"{prefix}_cert_file", f"{prefix}_key_file"
    for name, other in ((cert_file, key_file), (key_file, cert_file)):
        if name in present and other not in present:
            return f"{variable(name)} is set and {variable(other)} is not: a certificate needs its key (PEM)"
    for name in (f"{prefix}_key_password", f"{prefix}_key_password_file"):
        if name in present and key_file not in present:
            return f"{variable(name)} is set and {variable(key_file)} is not: there is no key to decrypt"
    return None


def _server_fault(settings: SecuritySettings) -> str | None:
    if settings.security_protocol != "PLAINTEXT" and not settings.bootstrap_servers:
        return (
            f"JOURNEYS_SECURITY_PROTOCOL is {settings.security_protocol} and JOURNEYS_BOOTSTRAP_SERVERS is not set: "
            "the development broker has neither TLS nor SASL"
        )
    return None
