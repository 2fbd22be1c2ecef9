"""TLS, SCRAM and client certificates against a real Kafka: who gets in, who does not, and what is said then."""

import asyncio
from collections.abc import Callable

import psutil
import pytest
import trustme

from journeys.agents.kafka.connection import KafkaRefusedError, require_broker
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.topic_setup import create_topics
from journeys.agents.settings.settings import Settings
from journeys.clock import now_ms
from journeys.schemas.identity import abandonment_id
from journeys.schemas.records import JourneyCommand, Touchpoint
from journeys.schemas.topics import JOURNEY_EVENTS, changelog_name
from tests.fixtures.fresh_kafka import delete_topics
from tests.fixtures.topic_contents import Raw, read, write
from tests.live.topic_exchange import append, published
from tests.live.verified import verified
from tests.live.worker_process import WorkerProcess

from .secure_kafka import ADMIN, SecureKafka

pytestmark = [pytest.mark.broker, pytest.mark.slow]

Way = Callable[[SecureKafka], Settings]
OF_A_KEY = "two words"
WRONG = {"sasl_password": "guess", "sasl_password_file": None}


def with_encrypted_key(kafka: SecureKafka) -> Settings:
    """Settings with a key that a password opens."""
    path = kafka.certificate("worker", password=OF_A_KEY.encode())
    secret = kafka.folder / "key-password"
    secret.write_text(OF_A_KEY)
    return kafka.mutual_tls("nobody", tls_cert_file=path, tls_key_file=path, tls_key_password_file=secret)


def of_another_authority(kafka: SecureKafka) -> Settings:
    """Settings with a certificate that this Kafka's authority did not sign."""
    path = kafka.folder / "foreign.pem"
    path.write_bytes(trustme.CA().issue_cert("x.test", common_name="worker").private_key_and_cert_chain_pem.bytes())
    return kafka.mutual_tls("worker", tls_cert_file=path, tls_key_file=path)


def trusting_another_authority(kafka: SecureKafka) -> Settings:
    """Settings whose authority did not sign the broker's certificate."""
    path = kafka.folder / "other-ca.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return kafka.scram("worker", tls_ca_file=path)


def servers_of(settings: Settings) -> str:
    """Give the servers, under the name for which no certificate is."""
    return str(settings.bootstrap_servers).replace("127.0.0.1", "localhost")


WAYS_IN: dict[str, Way] = {
    "SCRAM-SHA-512": lambda kafka: kafka.scram("worker"),
    "SCRAM-SHA-256": lambda kafka: kafka.scram("worker", sasl_mechanism="SCRAM-SHA-256"),
    "PLAIN": lambda kafka: kafka.scram("worker", sasl_mechanism="PLAIN"),
    "client certificate": lambda kafka: kafka.mutual_tls("worker"),
    "client certificate with an encrypted key": with_encrypted_key,
}
REFUSED: dict[str, tuple[Way, str]] = {
    "wrong password": (
        lambda kafka: kafka.scram("worker", **WRONG),
        "refuses user 'worker' with this password: see JOURNEYS_SASL_USERNAME, JOURNEYS_SASL_",
    ),
    "wrong password, PLAIN": (
        lambda kafka: kafka.scram("worker", sasl_mechanism="PLAIN", **WRONG),
        "refuses user 'worker' with this password",
    ),
    "unknown user": (lambda kafka: kafka.scram("stranger"), "refuses user 'stranger'"),
    "untrusted authority": (
        trusting_another_authority,
        "is not trusted (unable to get local issuer certificate): its authority must be among those in ",
    ),
    "authorities of the system": (
        lambda kafka: kafka.scram("worker", tls_ca_file=None),
        "its authority must be among those of this system; see JOURNEYS_TLS_CA_FILE",
    ),
    "another name": (
        lambda kafka: kafka.scram("worker", bootstrap_servers=servers_of(kafka.scram("worker"))),
        "certificate is not valid for 'localhost'): see JOURNEYS_BOOTSTRAP_SERVERS",
    ),
    "no client certificate": (
        lambda kafka: kafka.mutual_tls("worker", tls_cert_file=None, tls_key_file=None),
        "asks for a client certificate: set JOURNEYS_TLS_CERT_FILE and JOURNEYS_TLS_KEY_FILE",
    ),
    "foreign client certificate": (of_another_authority, "foreign.pem (SSLV3_ALERT_CERTIFICATE_UNKNOWN)"),
    "password where none is asked for": (
        lambda kafka: kafka.mutual_tls("worker", security_protocol="SASL_SSL", sasl_username="worker", **WRONG),
        "asks for no password: set JOURNEYS_SECURITY_PROTOCOL to SSL",
    ),
    "no password where one is asked for": (
        lambda kafka: kafka.mutual_tls("worker", bootstrap_servers=kafka.bootstrap_servers),
        "closes the connection: does it want a password (SASL_SSL), or no TLS? JOURNEYS_SECURITY_PROTOCOL is SSL",
    ),
    "no TLS": (
        lambda kafka: Settings(_env_file=None, bootstrap_servers=kafka.bootstrap_servers),
        "closes the connection: does it want TLS (SSL, SASL_SSL)? JOURNEYS_SECURITY_PROTOCOL is PLAINTEXT",
    ),
}


@pytest.mark.parametrize("way", WAYS_IN.values(), ids=WAYS_IN)
def test_every_way_in_leads_to_the_same_rights(kafka, way):
    """SCRAM in both strengths, PLAIN, and certificates: each is User:worker, who may read the input topic."""

    async def partitions() -> int:
        async with open_log(way(kafka), JOURNEY_EVENTS, catalog=None) as log:
            return log.partition_count

    assert asyncio.run(partitions()) == 4


@pytest.mark.parametrize(("way", "said"), REFUSED.values(), ids=REFUSED)
def test_who_is_not_let_in_is_told_why_in_one_line(kafka, caplog, way, said):
    """The line names the setting; no client complains beside it, and none tries for ever."""
    settings = way(kafka)
    with pytest.raises(KafkaRefusedError) as raised:
        asyncio.run(require_broker(settings))
    assert said in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert str(settings.bootstrap_servers) in str(raised.value)
    assert caplog.records == []


def test_one_server_that_lets_in_is_enough(kafka):
    """As for any Kafka client: of several servers one must answer."""
    settings = kafka.scram("worker")
    several = f"{servers_of(settings)},{settings.bootstrap_servers}"
    asyncio.run(require_broker(settings.model_copy(update={"bootstrap_servers": several})))


def test_the_status_of_a_configured_kafka_is_asked_as_its_user(kafka, cli, monkeypatch):
    """`journeys broker status` speaks TLS, too."""
    settings = kafka.scram("worker")
    for name in settings.model_fields_set:
        monkeypatch.setenv(f"JOURNEYS_{name.upper()}", str(getattr(settings, name)))
    assert cli("broker", "status").stdout == f"configured Kafka at {kafka.bootstrap_servers}: answers\n"


@pytest.mark.parametrize("case", ["wrong password", "untrusted authority", "no client certificate"])
def test_a_worker_that_is_not_let_in_ends_with_exit_code_2(kafka, workers, case):
    """One line, and no restart that would help nobody."""
    way, said = REFUSED[case]
    settings = way(kafka)
    password = {} if settings.sasl_password is None else {"sasl_password": settings.sasl_password.get_secret_value()}
    worker = workers.start(settings, **password)
    assert worker.exit_code(60) == 2, worker.told("did not refuse")
    (line,) = worker.log.splitlines()
    assert line.startswith("journeys: ")
    assert said in line


def visits(journeys: list[str], at: int) -> list[Touchpoint | JourneyCommand]:
    """Make a touchpoint of each journey, and a command that abandons it."""
    return [
        *(Touchpoint(journey, None, f"{journey}-{at}", at, cost_micros=1_000_000) for journey in journeys),
        *(JourneyCommand(journey, at + 1, "abandon", "MANUAL_TERMINATION") for journey in journeys),
    ]


def listening_sockets(worker: WorkerProcess) -> list[object]:
    """Addresses at which a worker takes connections."""
    connections = psutil.Process(worker.pid).net_connections("all")
    return [connection.laddr for connection in connections if connection.status == psutil.CONN_LISTEN]


async def write_foreign_rows(settings: Settings) -> None:
    """Write to every partition of the changelog what another worker would have: its last row, once more."""
    changelog = changelog_name(settings.application_id)
    last = {number: records[-1] for number, records in (await read(settings, changelog)).items() if records}
    assert last
    await write(settings, [Raw(changelog, number, record.key, record.value) for number, record in last.items()])


@pytest.mark.parametrize("way", ["SCRAM-SHA-512", "client certificate"])
def test_a_worker_does_its_round_with_its_rights_alone(kafka, workers, way):
    """Topics of `setup`, touchpoints of `producer`, abandonments of `worker`; seen by `trainer`, proved by `operator`.

    Each has exactly the rights of its role. Every client of the worker takes part: Faust's consumer and producer,
    that which asks for the changelog's id (rocksdb), that which reads foreign rows back. Nothing listens.
    """
    settings, operator = WAYS_IN[way](kafka), kafka.mutual_tls("operator")
    delete_topics(kafka.mutual_tls(ADMIN))
    asyncio.run(create_topics(kafka.scram("setup")))
    worker = workers.start(settings, store="rocksdb://")
    worker.wait_until_logged("restored: partitions [0, 1, 2, 3]")
    at, journeys = now_ms(), [f"journey-{number}" for number in range(8)]
    append(kafka.scram("producer"), *visits(journeys, at))
    workers.wait_until_applied(operator)
    asyncio.run(write_foreign_rows(settings))
    append(kafka.scram("producer"), *visits(journeys, at + 1_000))
    workers.wait_until_applied(operator)
    assert " are not ours" in worker.log, worker.told("did not see foreign rows")
    assert "WARNING" not in worker.log
    abandoned = [record.abandonment_id for record in published(kafka.scram("trainer"))]
    assert sorted(abandoned) == sorted(
        abandonment_id(journey, begin) for journey in journeys for begin in (at, at + 1_000)
    )
    assert listening_sockets(worker) == []
    # What it has applied it commits, too; only its own time may come in later.
    workers.wait_until(lambda: verified(operator)[0].lag_total == 0, "not all was committed")
    worker.stop()
    report, _ = verified(operator)
    assert report.counts.applied == 4 * len(journeys)
