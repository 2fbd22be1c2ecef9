"""`journeys config`: every setting with its value and its source, and no secret."""

import pytest

from journeys.agents.settings.setting_sources import setting_sources
from journeys.agents.settings.settings import Settings


def rows(output: str) -> dict[str, tuple[str, ...]]:
    """Value and source by variable."""
    return {line.split()[0]: tuple(line.split()[1:]) for line in output.splitlines()}


def test_every_setting_is_shown_with_where_it_comes_from(cli, monkeypatch, tmp_path):
    """The environment goes before .env, .env before the default."""
    (tmp_path / ".env").write_text("JOURNEYS_PARTITIONS=9\nJOURNEYS_APPLICATION_ID=file\n")
    monkeypatch.setenv("JOURNEYS_APPLICATION_ID", "shop")
    monkeypatch.setenv("JOURNEYS_CREATE_TOPICS", "no")
    result = cli("config")
    assert (result.exit_code, result.stderr) == (0, "")
    shown = rows(result.stdout)
    assert list(shown) == [f"JOURNEYS_{name.upper()}" for name in Settings.model_fields]
    assert shown["JOURNEYS_PARTITIONS"] == ("9", ".env")
    assert shown["JOURNEYS_APPLICATION_ID"] == ("shop", "environment")
    assert shown["JOURNEYS_CREATE_TOPICS"] == ("false", "environment")
    assert shown["JOURNEYS_REPLICATION_FACTOR"] == ("-", "default")
    assert shown["JOURNEYS_POLICY"] == ("-", "default")


def test_a_setting_that_was_given_to_the_program_is_an_option():
    """It comes neither from the environment nor from a file."""
    found = {row.variable: row.source for row in setting_sources(Settings(_env_file=None, partitions=7))}
    assert found["JOURNEYS_PARTITIONS"] == "option"


def test_secrets_are_stars(cli, monkeypatch, tmp_path):
    """Passwords of the user, of the key, and in the address of a registry, whether from environment or file."""
    (tmp_path / ".env").write_text("JOURNEYS_TLS_KEY_PASSWORD=plugh\n")
    for name, value in {
        "BOOTSTRAP_SERVERS": "kafka:9093",
        "SECURITY_PROTOCOL": "SASL_SSL",
        "SASL_USERNAME": "worker",
        "SASL_PASSWORD": "xyzzy",
        "TLS_CERT_FILE": "worker.pem",
        "TLS_KEY_FILE": "worker.key",
        "SCHEMA_REGISTRY_URL": "https://ann:frotz@registry:8081/path",  # pragma: allowlist secret
    }.items():
        monkeypatch.setenv(f"JOURNEYS_{name}", value)
    result = cli("config")
    shown = rows(result.stdout)
    assert shown["JOURNEYS_SASL_PASSWORD"] == ("********", "environment")
    assert shown["JOURNEYS_TLS_KEY_PASSWORD"] == ("********", ".env")
    assert shown["JOURNEYS_SCHEMA_REGISTRY_URL"] == ("https://********@registry:8081/path", "environment")
    assert shown["JOURNEYS_SASL_USERNAME"] == ("worker", "environment")
    assert not [secret for secret in ("xyzzy", "plugh", "frotz") if secret in result.output]


@pytest.mark.parametrize("url", ["https://registry:8081", "http://[::1]:8081/a?b=c", "-"])
def test_an_address_without_a_user_is_shown_as_it_is(monkeypatch, url):
    """Only what identifies somebody is hidden."""
    settings = Settings(_env_file=None, schema_registry_url=url)
    assert {row.variable: row.value for row in setting_sources(settings)}["JOURNEYS_SCHEMA_REGISTRY_URL"] == url


def test_an_address_that_can_not_be_read_is_hidden():
    """Nobody knows what is in it."""
    settings = Settings(_env_file=None, schema_registry_url="http://ann:frotz@[registry")  # pragma: allowlist secret
    assert {row.variable: row.value for row in setting_sources(settings)}["JOURNEYS_SCHEMA_REGISTRY_URL"] == "********"


def test_a_variable_that_is_no_setting_is_named(cli, monkeypatch, tmp_path):
    """A slip changes nothing, and nobody would notice; what it holds may be secret."""
    (tmp_path / ".env").write_text("JOURNEYS_PARTITION=9\nOTHER=1\n")
    monkeypatch.setenv("JOURNEYS_SASL_PASWORD", "xyzzy")
    result = cli("config")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "journeys: JOURNEYS_PARTITION is no setting and changes nothing",
        "journeys: JOURNEYS_SASL_PASWORD is no setting and changes nothing",
    ]
    assert "xyzzy" not in result.output


def test_a_configuration_that_can_not_be_is_one_line(cli, monkeypatch):
    """As for every command."""
    monkeypatch.setenv("JOURNEYS_SASL_PASSWORD", "xyzzy")
    result = cli("config")
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("journeys: JOURNEYS_SASL_PASSWORD is set, but JOURNEYS_SECURITY_PROTOCOL is PLAINTEXT")
    assert "xyzzy" not in line


@pytest.mark.parametrize(("limit", "session"), [("4.8", "6"), ("2", "2.5")])
def test_a_freeze_limit_that_comes_too_late_is_refused(cli, monkeypatch, limit, session):
    """It must end a worker before its session does; the last heartbeat may lie a fifth of it before the freeze."""
    monkeypatch.setenv("JOURNEYS_FREEZE_LIMIT_SECONDS", limit)
    monkeypatch.setenv("JOURNEYS_SESSION_TIMEOUT_SECONDS", session)
    result = cli("config")
    assert result.exit_code == 2
    assert f"JOURNEYS_FREEZE_LIMIT_SECONDS is {limit}, it must be less than four fifths of" in result.stderr
    assert f"JOURNEYS_SESSION_TIMEOUT_SECONDS ({session})" in result.stderr
    monkeypatch.setenv("JOURNEYS_FREEZE_LIMIT_SECONDS", "1.9")
    assert cli("config").exit_code == 0


def test_an_unknown_engine_is_refused(cli, monkeypatch):
    """Among them the name of one that there was; the error names those that there are."""
    monkeypatch.setenv("JOURNEYS_ENGINE", "python")
    result = cli("config")
    assert result.exit_code == 2
    assert "setting engine: 'python'" in result.stderr
    assert "'auto', 'compiled' or 'reference'" in result.stderr
