"""Health over HTTP: what is answered, to whom, and that no client and no stuck loop stands in the way."""

import asyncio
import http.client
import logging
import socket
import ssl
import threading
import time
from contextlib import ExitStack, suppress

import psutil
import pytest
import trustme
from prometheus_client.parser import text_string_to_metric_families

from journeys.agents.health import condition, health_server
from journeys.agents.health.condition import Condition, LoopCondition, Reason
from journeys.agents.health.health_server import HealthServer
from journeys.agents.health.metric_families import LoopMetrics
from journeys.agents.health.process_registry import process_registry
from journeys.agents.settings.security_files import SecurityFileError
from journeys.agents.settings.settings import Settings
from journeys.schemas import metrics
from journeys.schemas.metrics import Sample

ANSWER_SECONDS = 20.0
TOKEN = "as long as it is secret"  # noqa: S105 - of this test


@pytest.fixture
def served():
    """Give a function that starts a server with settings, and ends it with the test."""
    with ExitStack() as stack:

        def serve(registry=None, **given) -> HealthServer:
            settings = Settings(_env_file=None, metrics_port=0, **given)
            return stack.enter_context(
                HealthServer(settings, registry or process_registry("shop", "worker", "compiled"))
            )

        yield serve


def port_of(server: HealthServer) -> int:
    """Give the port at which it listens."""
    return int(server.address.rpartition(":")[2])


def asked(server: HealthServer, path: str, method: str = "GET", tls: ssl.SSLContext | None = None, **headers: str):
    """Give status and body of one request."""
    if tls is None:
        connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=ANSWER_SECONDS)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", port_of(server), timeout=ANSWER_SECONDS, context=tls)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def half_open(server: HealthServer, sent: bytes = b"GET /metrics HTTP/1.1\r\nHost: x\r\n") -> socket.socket:
    """Open a connection and send the beginning of a request."""
    connection = socket.create_connection(("127.0.0.1", port_of(server)), timeout=ANSWER_SECONDS)
    connection.sendall(sent)
    return connection


def is_cut(connection: socket.socket) -> bool:
    """Wait for the server's end of a connection."""
    with suppress(ConnectionResetError):
        while connection.recv(1_000):
            pass
    return True


def test_paths_and_what_they_answer(served):
    """Health with its reasons, metrics with those of the process, 404 for everything else, 405 for other methods."""
    server = served()
    assert asked(server, "/live") == (200, "live\n")
    status, body = asked(server, "/ready")
    assert (status, body.splitlines()[0]) == (503, "not ready")
    assert "starting: " in body
    server.condition = Condition
    assert asked(server, "/ready?verbose") == (200, "ready\n")
    assert asked(server, "/ready", "HEAD") == (200, "")
    fault = Reason("stuck", "the event loop has done nothing for 30 s")
    server.condition = lambda: Condition((fault,), (fault, Reason("memory", "full")))
    assert asked(server, "/live") == (503, "not live\nstuck: the event loop has done nothing for 30 s\n")
    assert asked(server, "/ready")[1].splitlines()[2] == "memory: full"
    for path in ("/", "/metrics/", "/live/x", "/favicon.ico", "/../live", "/%6dX", "/debug/pprof"):
        assert asked(server, path)[0] == 404, path
    assert asked(server, "/ready", "POST")[0] == 405
    status, body = asked(server, "/metrics")
    assert status == 200
    samples = {sample.name: sample for family in text_string_to_metric_families(body) for sample in family.samples}
    assert samples["journeys_build_info"].labels.keys() == {"application", "mode", "engine", "python", "version"}
    assert samples["journeys_build_info"].labels["application"] == "shop"
    assert {"process_cpu_seconds_total", "process_open_fds", "process_start_time_seconds"} <= samples.keys()


def test_a_scraper_gets_the_format_that_it_asks_for(served):
    """OpenMetrics to who takes it, compressed to who takes that."""
    server = served()
    assert asked(server, "/metrics", Accept="application/openmetrics-text;version=1.0.0")[1].endswith("# EOF\n")
    connection = half_open(server, b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
    assert b"Content-Encoding: gzip" in connection.recv(1_000)
    connection.close()


def test_a_token_is_asked_of_who_reads_metrics(served, tmp_path):
    """Probes need none: what they learn is no secret. From a file, too."""
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    for given in ({"metrics_token": TOKEN}, {"metrics_token_file": path}):
        server = served(**given)
        server.condition = Condition
        assert asked(server, "/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
        for wrong in ({}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": f"Bearer {TOKEN}x"}):
            assert asked(server, "/metrics", **wrong) == (401, "a bearer token is asked for\n")
        assert asked(server, "/metrics", Authorization="Bearer \xff")[0] == 401
        assert asked(server, "/ready") == (200, "ready\n")
        assert TOKEN not in repr(vars(Settings(_env_file=None, **given)))


def test_over_tls(served, tmp_path, monkeypatch):
    """With a certificate, for who trusts it, and for nobody without TLS; who never ends the handshake is cut."""
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    monkeypatch.setattr(health_server, "_REQUEST_SECONDS", 0.5)
    server = served(metrics_tls_cert_file=tmp_path / "own.pem", metrics_tls_key_file=tmp_path / "own.pem")
    assert server.address.startswith("https://127.0.0.1:")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    assert asked(server, "/live", tls=trusting) == (200, "live\n")
    with pytest.raises(ssl.SSLCertVerificationError):
        asked(server, "/live", tls=ssl.create_default_context())
    with half_open(server) as without_tls, half_open(server, b"") as silent:
        assert is_cut(without_tls)
        assert is_cut(silent)
    assert asked(server, "/live", tls=trusting) == (200, "live\n")


def test_a_certificate_that_can_not_be_used_is_said(served, tmp_path):
    """With the setting's name, before anything is served."""
    (tmp_path / "x.pem").write_text("no PEM")
    with pytest.raises(
        SecurityFileError, match=r"^JOURNEYS_METRICS_TLS_CERT_FILE: .*x.pem holds no certificate in PEM$"
    ):
        served(metrics_tls_cert_file=tmp_path / "x.pem", metrics_tls_key_file=tmp_path / "x.pem")
    with pytest.raises(ValueError, match="JOURNEYS_METRICS_TLS_KEY_FILE is not"):
        Settings(_env_file=None, metrics_tls_cert_file=tmp_path / "x.pem")
    with pytest.raises(ValueError, match="JOURNEYS_METRICS_TOKEN and JOURNEYS_METRICS_TOKEN_FILE are both set"):
        Settings(_env_file=None, metrics_token="x", metrics_token_file=tmp_path / "x.pem")  # noqa: S106 - as above


def test_row_15_400_half_open_connections_take_no_thread_each_and_no_place_for_ever(served):
    """They took 409 threads. Now they take the places of each other, and whoever asks properly is answered."""
    server = served()
    server.condition = Condition
    process = psutil.Process()
    before, sockets = process.num_threads(), process.num_fds()
    with ExitStack() as stack:
        clients = [stack.enter_context(half_open(server)) for _ in range(400)]
        for _ in range(3):
            assert asked(server, "/ready") == (200, "ready\n")
            assert asked(server, "/metrics")[0] == 200
        assert process.num_threads() - before <= 2
        assert process.num_fds() - sockets <= len(clients) + 64 + 2
        assert all(map(is_cut, clients[:300]))


@pytest.mark.parametrize("drips", [b"", b"x"], ids=["nothing more", "a byte now and then"])
def test_who_never_ends_a_request_is_cut(served, monkeypatch, drips):
    """After the time for a request, however the bytes come."""
    monkeypatch.setattr(health_server, "_REQUEST_SECONDS", 1.0)
    server = served()
    with half_open(server) as client:
        client.settimeout(0.1)
        deadline = time.monotonic() + ANSWER_SECONDS
        with suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() < deadline:
                client.sendall(drips)
                with suppress(TimeoutError):
                    if not client.recv(1_000):
                        break
        assert time.monotonic() < deadline, "it was let be"


def test_who_reads_no_answer_is_cut(served, monkeypatch):
    """Its answer waits for it no longer than any connection lives."""
    monkeypatch.setattr(health_server, "_LIFE_SECONDS", 1.0)

    server = served()
    monkeypatch.setattr(health_server, "choose_encoder", lambda _: (lambda _: b"x" * 50_000_000, "text/plain"))
    with half_open(server, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
        deadline = time.monotonic() + ANSWER_SECONDS
        while not server._open:
            assert time.monotonic() < deadline
        while server._open:
            assert time.monotonic() < deadline, "it was let be"
            time.sleep(0.05)


def test_what_is_no_request_says_nothing_in_the_log(served, caplog):
    """Anybody could fill the log, with tracebacks at that."""
    server = served()
    for sent in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n"):
        with half_open(server, sent + b"\r\n\r\n") as client:
            assert is_cut(client)
    assert asked(server, "/live")[0] == 200
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


class Loop:
    """An event loop in a thread, which can be made to hang."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self._hangs = threading.Event()

    def run(self, function):
        """Give what a function gives that is called in the loop."""

        async def call():
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(ANSWER_SECONDS)

    def hang(self) -> None:
        """Occupy the loop until `end`."""
        self.loop.call_soon_threadsafe(self._hangs.wait)

    def end(self) -> None:
        """Let it go on, and end."""
        self._hangs.set()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture
def loop():
    """Give a loop, and end it."""
    made = Loop()
    yield made
    made.end()


def test_row_13_a_stuck_loop_is_seen_from_outside(served, loop, monkeypatch):
    """Every path answered 200, also when the process hung. Now: not ready first, then not live, and in the figures."""
    monkeypatch.setattr(condition, "_NOT_READY_AFTER_SECONDS", 1.0)
    monkeypatch.setattr(condition, "_NOT_LIVE_AFTER_SECONDS", 3.0)
    monkeypatch.setattr("journeys.agents.health.metric_families._ANSWER_SECONDS", 1.0)
    registry = process_registry("shop", "worker")

    async def read():
        return [Sample(metrics.READY, 1)]

    server = served(registry)
    registry.register(loop.run(lambda: LoopMetrics("shop", "worker", read)))
    reasons = [Reason("restoring", "3 of 4 changelog records are read")]
    server.condition = loop.run(lambda: LoopCondition(lambda: reasons))
    assert asked(server, "/ready") == (503, "not ready\nrestoring: 3 of 4 changelog records are read\n")
    reasons.clear()
    deadline = time.monotonic() + ANSWER_SECONDS
    while asked(server, "/ready")[0] != 200:
        assert time.monotonic() < deadline
    assert asked(server, "/live")[0] == 200
    assert 'journeys_ready{application="shop",mode="worker"} 1.0' in asked(server, "/metrics")[1]
    loop.hang()
    while asked(server, "/ready")[0] != 503:
        assert time.monotonic() < deadline
    assert "stuck: the event loop has done nothing for " in asked(server, "/ready")[1]
    told = asked(server, "/metrics")[1]
    assert 'journeys_ready{application="shop",mode="worker"} 0.0' in told
    assert 'journeys_not_ready{application="shop",mode="worker",reason="stuck"} 1.0' in told
    while asked(server, "/live")[0] != 503:
        assert time.monotonic() < deadline
