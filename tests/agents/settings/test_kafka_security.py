"""Settings of TLS and SASL: what is half configured, and files that are not what they should be, in one line."""

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from journeys.agents.settings.kafka_security import SecurityFileError, faust_credentials, security_options
from journeys.agents.settings.settings import Settings
from journeys.agents.worker.app import create_app
from journeys.cli.options import InvalidSettingError, settings_of
from journeys.schemas.catalog import Catalog

WORD, SPACED = "xyzzy", " x y "
SERVERS = {"bootstrap_servers": "kafka:9093"}
SCRAM = SERVERS | {"security_protocol": "SASL_SSL", "sasl_username": "worker", "sasl_password": WORD}
TLS = SERVERS | {"security_protocol": "SSL"}


@pytest.fixture(autouse=True)
def nobodys_settings(monkeypatch, tmp_path):
    """Leave nothing of the settings of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"JOURNEYS_{name.upper()}", raising=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Write files as they are and as they should not be."""
    folder, ca = tmp_path_factory.mktemp("certificates"), trustme.CA()
    issued, other = ca.issue_cert("worker.test"), ca.issue_cert("other.test")
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    contents = {
        "ca": ca.cert_pem.bytes(),
        "cert": issued.cert_chain_pems[0].bytes(),
        "key": issued.private_key_pem.bytes(),
        "other_key": other.private_key_pem.bytes(),
        "locked_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"xyzzy")),
        "password": b"xyzzy\n",
        "empty": b"\n",
        "garbage": b"no PEM\n",
        "binary": b"\x30\x82\xff\xfe",
    }
    paths = {name: folder / name for name in contents}
    for name, path in paths.items():
        path.write_bytes(contents[name])
    return paths | {"missing": folder / "missing", "folder": folder}


def given(**more) -> Settings:
    """Settings from no file."""
    return Settings(_env_file=None, **more)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (SCRAM | {"sasl_username": None}, "JOURNEYS_SASL_USERNAME is not set"),
        (SCRAM | {"sasl_password": None}, "neither JOURNEYS_SASL_PASSWORD nor JOURNEYS_SASL_PASSWORD_FILE is set"),
        (SCRAM | {"sasl_password_file": "p"}, "JOURNEYS_SASL_PASSWORD and JOURNEYS_SASL_PASSWORD_FILE are both set"),
        (
            SCRAM | {"security_protocol": "PLAINTEXT"},
            "JOURNEYS_SASL_USERNAME is set, but JOURNEYS_SECURITY_PROTOCOL is PLAINTEXT: set it to SASL_SSL, or unset",
        ),
        (TLS | {"sasl_mechanism": "PLAIN"}, "JOURNEYS_SASL_MECHANISM is set, but JOURNEYS_SECURITY_PROTOCOL is SSL"),
        (
            SERVERS | {"tls_ca_file": "ca"},
            "JOURNEYS_TLS_CA_FILE is set, but JOURNEYS_SECURITY_PROTOCOL is PLAINTEXT: set it to SSL or SASL_SSL",
        ),
        (TLS | {"tls_cert_file": "c"}, "JOURNEYS_TLS_CERT_FILE is set and JOURNEYS_TLS_KEY_FILE is not"),
        (TLS | {"tls_key_file": "k"}, "JOURNEYS_TLS_KEY_FILE is set and JOURNEYS_TLS_CERT_FILE is not"),
        (TLS | {"tls_key_password": "x"}, "JOURNEYS_TLS_KEY_PASSWORD is set and JOURNEYS_TLS_KEY_FILE is not"),
        (
            TLS | {"tls_cert_file": "c", "tls_key_file": "k", "tls_key_password": "x", "tls_key_password_file": "p"},
            "JOURNEYS_TLS_KEY_PASSWORD and JOURNEYS_TLS_KEY_PASSWORD_FILE are both set",
        ),
        (TLS | {"bootstrap_servers": None}, "JOURNEYS_SECURITY_PROTOCOL is SSL and JOURNEYS_BOOTSTRAP_SERVERS is not"),
        (SCRAM | {"sasl_password": ""}, "setting sasl_password: its value is not allowed: "),
        (SCRAM | {"sasl_mechanism": "GSSAPI"}, "setting sasl_mechanism: 'GSSAPI' is not allowed: "),
        (SERVERS | {"security_protocol": "SASL_PLAINTEXT"}, "setting security_protocol: 'SASL_PLAINTEXT' is not"),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else "",
)
def test_half_a_configuration_is_one_line_that_names_the_setting(settings, said):
    """What is too much, what is missing, what does not go together; never a value that is secret."""
    with pytest.raises(InvalidSettingError) as raised:
        settings_of(**settings)
    assert str(raised.value).startswith(said)
    assert len(str(raised.value).splitlines()) == 1
    assert "xyzzy" not in str(raised.value)


def test_a_fault_shows_no_password_even_where_the_library_tells_it():
    """Pydantic would print all that was given."""
    with pytest.raises(ValueError, match="JOURNEYS_SASL_USERNAME is not set") as raised:
        given(**SCRAM | {"sasl_username": None})
    assert "xyzzy" not in str(raised.value)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"tls_ca_file": "missing"}, "JOURNEYS_TLS_CA_FILE: {missing} can't be read (No such file or directory)"),
        ({"tls_ca_file": "folder"}, "JOURNEYS_TLS_CA_FILE: {folder} can't be read (Is a directory)"),
        ({"tls_ca_file": "garbage"}, "JOURNEYS_TLS_CA_FILE: {garbage} holds no certificate in PEM"),
        ({"tls_ca_file": "empty"}, "JOURNEYS_TLS_CA_FILE: {empty} holds no certificate in PEM"),
        ({"tls_ca_file": "binary"}, "JOURNEYS_TLS_CA_FILE: {binary} is not text (PEM is)"),
        (
            {"tls_cert_file": "missing", "tls_key_file": "key"},
            "JOURNEYS_TLS_CERT_FILE: {missing} can't be read (No such file or directory)",
        ),
        (
            {"tls_cert_file": "garbage", "tls_key_file": "key"},
            "JOURNEYS_TLS_CERT_FILE: {garbage} holds no certificate in PEM",
        ),
        (
            {"tls_cert_file": "cert", "tls_key_file": "missing"},
            "JOURNEYS_TLS_KEY_FILE: {missing} can't be read (No such file or directory)",
        ),
        (
            {"tls_cert_file": "cert", "tls_key_file": "garbage"},
            "JOURNEYS_TLS_KEY_FILE: {garbage} holds no private key in PEM",
        ),
        (
            {"tls_cert_file": "cert", "tls_key_file": "other_key"},
            "JOURNEYS_TLS_KEY_FILE: {other_key} is not the key of the certificate in {cert}",
        ),
        (
            {"tls_cert_file": "cert", "tls_key_file": "locked_key"},
            "JOURNEYS_TLS_KEY_FILE: {locked_key} is encrypted: set JOURNEYS_TLS_KEY_PASSWORD_FILE",
        ),
        (
            {"tls_cert_file": "cert", "tls_key_file": "locked_key", "tls_key_password_file": "garbage"},
            "JOURNEYS_TLS_KEY_FILE: {locked_key} holds no private key in PEM that this password decrypts",
        ),
        (
            {"tls_cert_file": "cert", "tls_key_file": "locked_key", "tls_key_password_file": "empty"},
            "JOURNEYS_TLS_KEY_PASSWORD_FILE: {empty} is empty",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_will_not_do_is_one_line_that_names_setting_and_file(files, named, said):
    """Not there, not readable, not what it should be."""
    settings = given(**TLS, **{name: files[file] for name, file in named.items()})
    with pytest.raises(SecurityFileError) as raised:
        security_options(settings)
    assert str(raised.value) == said.format(**files)


@pytest.mark.parametrize(("file", "said"), [("missing", "can't be read"), ("empty", "is empty")])
def test_a_password_file_that_will_not_do_is_said(files, file, said):
    """The setting, the file, what is wrong."""
    settings = given(**SCRAM | {"sasl_password": None, "sasl_password_file": files[file]})
    with pytest.raises(SecurityFileError, match=f"^JOURNEYS_SASL_PASSWORD_FILE: {files[file]} {said}"):
        security_options(settings)


def test_a_password_comes_from_the_environment_or_from_a_file(files, monkeypatch):
    """The end of the line is no part of it, spaces are."""
    monkeypatch.setenv("JOURNEYS_SASL_PASSWORD", "xyzzy")
    for name, value in (SCRAM | {"sasl_password": WORD}).items():
        monkeypatch.setenv(f"JOURNEYS_{name.upper()}", value)
    assert security_options(given())["sasl_plain_password"] == WORD
    from_file = given(**SCRAM | {"sasl_password": None, "sasl_password_file": files["password"]})
    assert security_options(from_file)["sasl_plain_password"] == WORD
    files["password"].with_name("spaces").write_text(f"{SPACED}\r\n")
    spaces = given(**SCRAM | {"sasl_password": None, "sasl_password_file": files["password"].with_name("spaces")})
    assert security_options(spaces)["sasl_plain_password"] == SPACED


def test_clients_and_faust_get_the_same(files):
    """Protocol, mechanism, user, password and TLS context; without security there is nothing to give."""
    assert security_options(given(**SERVERS)) == {"security_protocol": "PLAINTEXT"}
    assert faust_credentials({"security_protocol": "PLAINTEXT"}) is None

    options = security_options(given(**SCRAM, tls_ca_file=files["ca"]))
    credentials = faust_credentials(options)
    assert (options["sasl_mechanism"], credentials.mechanism.value) == ("SCRAM-SHA-512", "SCRAM-SHA-512")
    assert (credentials.username, credentials.password) == ("worker", WORD)
    assert credentials.ssl_context is options["ssl_context"]
    assert credentials.protocol.value == options["security_protocol"] == "SASL_SSL"

    options = security_options(given(**TLS, tls_cert_file=files["cert"], tls_key_file=files["key"]))
    credentials = faust_credentials(options)
    assert credentials.context is options["ssl_context"]
    assert credentials.protocol.value == options["security_protocol"] == "SSL"


def test_the_brokers_name_and_certificate_are_always_checked(files):
    """No setting turns that off."""
    context = security_options(given(**TLS, tls_ca_file=files["ca"]))["ssl_context"]
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_the_worker_gives_faust_what_clients_get(files):
    """The one place that makes the app hands the credentials on."""
    settings = given(**SCRAM, tls_ca_file=files["ca"])
    options = SERVERS | {"client_id": "journeys"} | security_options(settings)
    credentials = create_app(settings, options, 4, Catalog()).conf.broker_credentials
    assert credentials.ssl_context is options["ssl_context"]
    assert (credentials.username, credentials.password) == ("worker", WORD)
