"""Settings for display: values without secrets, and the source of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from journeys.agents.settings.security_fault import variable
from journeys.agents.settings.settings import SECRETS, Settings

_HIDDEN: Final = "********"
_UNSET: Final = "-"


class SettingSource(NamedTuple):
    """One setting: its environment variable, its value as text, and `default`, `environment`, `.env` or `option`."""

    variable: str
    value: str
    source: str


def setting_sources(settings: Settings) -> list[SettingSource]:
    """All settings in the order of their definition."""
    environment, file = EnvSettingsSource(Settings)(), DotEnvSettingsSource(Settings)()
    return [
        SettingSource(variable(name), _shown(name, getattr(settings, name)), _source(name, settings, environment, file))
        for name in Settings.model_fields
    ]


def unknown_variables() -> list[str]:
    """Variables of the environment and of .env that begin with JOURNEYS_ and are no settings."""
    known = {variable(name).lower() for name in Settings.model_fields}
    names = {*EnvSettingsSource(Settings).env_vars, *DotEnvSettingsSource(Settings).env_vars}
    return sorted(name.upper() for name in names if name.startswith("journeys_") and name not in known)


def _source(name: str, settings: Settings, environment: Mapping[str, Any], file: Mapping[str, Any]) -> str:
    if name not in settings.model_fields_set:
        return "default"
    return "environment" if name in environment else ".env" if name in file else "option"


def _shown(name: str, value: Any) -> str:
    if value is None:
        return _UNSET
    if name in SECRETS:
        return _HIDDEN
    if name == "schema_registry_url":
        return _without_password(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _without_password(url: str) -> str:
    """The URL with user and password masked; one that can't be parsed is masked completely."""
    try:
        parsed = urlsplit(url)
    except ValueError:
        return _HIDDEN
    user, at, host = parsed.netloc.rpartition("@")
    return parsed._replace(netloc=f"{_HIDDEN}@{host}").geturl() if at and user else url
