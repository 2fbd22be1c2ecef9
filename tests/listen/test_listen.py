"""`journeys listen`, a process, with a real Kafka: answers, kills of both, and producers in other languages."""

import asyncio
import gzip
import http.client
import json
import os
import signal
import subprocess
import threading
from contextlib import contextmanager
from time import monotonic, sleep

import pytest

from journeys.agents.devserver.broker import status
from journeys.agents.settings.settings import Settings
from journeys.clock import now_ms
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.left_out import left_out, needs_node
from tests.fixtures.topic_contents import read_inputs
from tests.live.worker_process import ROOT

from .listen_process import ListenProcess
from .patient_clients import Clients, ids_in_topic, line

pytestmark = [pytest.mark.broker, pytest.mark.slow]
LONG = bool(os.environ.get("JOURNEYS_TEST_LONG"))
KEY = "a-key-of-the-shop-0123456789"
ANSWER_SECONDS = 60


@pytest.fixture(scope="module")
def one_door(broker, tmp_path_factory):
    """Give a door that begins on empty topics, and is that of all tests of this file."""
    with ListenProcess(emptied(broker), tmp_path_factory.mktemp("door")) as started:
        yield started


@pytest.fixture
def door(one_door):
    """Give the door, which takes records."""
    if one_door.process.poll() is not None:
        one_door.start()
    return one_door


def settings_of(broker):
    """Give settings of the topics as they are."""
    return Settings(_env_file=None, bootstrap_servers=broker.bootstrap_servers)


def post(door, body, content_type="application/json", **headers):
    """Give status, document and headers of one request."""
    host = door.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=ANSWER_SECONDS)
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", "/records", body, {"Content-Type": content_type} | names)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text), answer.headers


def lines_of(*objects):
    """Give NDJSON."""
    return "\n".join(map(json.dumps, objects)).encode()


def get(door, path):
    """Give the status of a GET."""
    connection = http.client.HTTPConnection(door.url.removeprefix("http://"), timeout=ANSWER_SECONDS)
    connection.request("GET", path)
    found = connection.getresponse().status
    connection.close()
    return found


def test_json_lists_lines_and_gzip_are_taken_once_for_each_id(door, broker):
    """Each form, all of them again, and once more after a restart: each id is in the topic once."""
    bodies = [
        (line("one", 1), "application/json", {}),
        ([line("two", 1), line("two", 2), line("two", 1)], "application/json", {}),
        (lines_of(line("three", 1), line("three", 2)) + b"\n\n", "application/x-ndjson", {}),
        (gzip.compress(lines_of(line("four", 1))) * 1, "application/x-ndjson", {"Content_Encoding": "gzip"}),
        (
            {
                "kind": "signal",
                "journey_id": "one",
                "command_id": "s",
                "occurred_at": 1_760_000_000_000,
                "signal": "competitor_conversion",
            },
            "application/json",
            {},
        ),
        ({"kind": "registration", "journey_id": "five", "occurred_at": 1_760_000_000_000}, "application/json", {}),
    ]
    accepted = []
    for body, content_type, headers in bodies:
        code, told, _ = post(door, body, content_type, **headers)
        assert code == 202, told
        accepted.append(told["accepted"])
    assert accepted == [1, 2, 2, 1, 1, 1]
    _, told, _ = post(door, bodies[1][0])
    assert told["lines"] == [{"line": number, "status": "duplicate"} for number in (1, 2, 3)]
    assert get(door, "/live") == get(door, "/ready") == 200
    assert door.stop() == 0
    door.start()
    for body, content_type, headers in bodies[:5]:
        code, told, _ = post(door, body, content_type, **headers)
        assert (code, told["accepted"]) == (202, 0), told
    names = ["one-1", "two-1", "two-2", "three-1", "three-2", "four-1"]
    assert ids_in_topic(settings_of(broker), "one", "two", "three", "four") == dict.fromkeys(names, 1)


def test_rubbish_is_refused_with_its_field_and_the_rest_goes_on(door, broker):
    """No body of rubbish is answered with 202; a valid line among bad ones is in the topic, and no bad one is."""
    bad = [
        (line("x", 1, cost=-1), "cost"),
        (line("x", 2, cost="1.1234567"), "cost"),
        (line("x", 3, state="HAPPY"), "state"),
        (line("x", 4, occurred_at="yesterday"), "occurred_at"),
        (line("x", 5, occurred_at=now_ms() + 2 * 3_600_000), "occurred_at"),
        (line("x", 6, touchpoint_id="i" * 1001), "touchpoint_id"),
        (line("x", 7, journey_id=""), "journey_id"),
        (line("x", 8, journey_id="\ud800"), "journey_id"),
        (line("x", 9, journey_id={"a": [1]}), "journey_id"),
        (line("x", 10, channel=["search"]), "channel"),
        (line("x", 11, conversion_probability=2), "conversion_probability"),
        (line("x", 12, kind="command", command="abandon"), "kind"),
        (line("x", 13, kind="punctuation", at=1_760_000_000_000), "kind"),
        (line("x", 14, kind={}), "kind"),
        (line("x", 15, kind=None, cost=10**400), "cost"),
        (7, "line"),
        (None, "line"),
    ]
    code, told, _ = post(
        door, lines_of(line("good", 1), *(one for one, _ in bad), line("good", 2)), "application/x-ndjson"
    )
    assert (code, told["accepted"], told["refused"]) == (422, 2, len(bad))
    assert [(one["line"], one["field"]) for one in told["lines"]] == [(n, f) for n, (_, f) in enumerate(bad, start=2)]
    assert all(one["why"].startswith(one["field"]) for one in told["lines"])
    whole = {
        b"{nope": 400,
        b"": 400,
        b"\xff\xfe{}": 400,
        b"[" * 200_000: 400,
        b'{"a":' * 200_000: 400,
        b"[" + b"1," * 20_000 + b"1]": 413,
        b" " * 9 * 2**20: 413,
    }
    for body, wanted in whole.items():
        code, told, _ = post(door, body)
        assert (code, list(told)) == (wanted, ["error"]), body[:20]
    bomb = gzip.compress(b"\n" * 300 * 2**20)
    for body, wanted in ((bomb, 413), (b"no gzip", 400), (gzip.compress(b"{}")[:-9], 400)):
        assert post(door, body, "application/x-ndjson", Content_Encoding="gzip")[0] == wanted
    assert post(door, lines_of(*[1] * 10_002), "application/x-ndjson")[0] == 413
    assert post(door, line("x", 20), "text/plain")[0] == 415
    assert post(door, line("x", 21), Content_Encoding="br")[0] == 415
    assert post(door, line("x", 22), Host="rebound.example")[0] == 403
    assert post(door, line("x", 23), Origin="http://localhost")[0] == 403
    hostile = ["\x00", "\x1b[31m", "\u202e", "a'; DROP TABLE x;--", "../../etc", "💥" * 250, "x"]
    code, told, _ = post(door, [line("hostile", 0, touchpoint_id=one) for one in hostile])
    assert (code, told["accepted"]) == (202, len(hostile))
    wanted = dict.fromkeys([*hostile, "good-1", "good-2"], 1)
    assert ids_in_topic(settings_of(broker), "x", "good", "hostile", "") == wanted


@pytest.mark.parametrize(
    "clients", [60, pytest.param(1000, marks=pytest.mark.skipif(not LONG, reason=left_out("long")))]
)
def test_what_was_answered_202_is_in_the_topic_once_over_kills_of_both(door, broker, clients):
    """SIGKILL for the door, for Kafka, and a Kafka that stands still, while clients say again what got no answer."""
    rounds = 5 if LONG else 1

    async def scenario():
        sent = Clients(door.url)

        async def progress():
            wanted = len(sent.taken) + 20 * clients
            deadline = monotonic() + 180
            while len(sent.taken) < wanted:
                assert door.process.poll() is None, door.log
                assert monotonic() < deadline, (sent.statuses, door.log)
                await asyncio.sleep(0.05)

        async def strikes():
            for _ in range(rounds):
                await progress()
                await asyncio.to_thread(door.kill)
                await asyncio.to_thread(door.start)
                await progress()
                await asyncio.to_thread(broker.kill)
                await asyncio.to_thread(broker.restart)
                await progress()
                with standing_still(broker):
                    await asyncio.sleep(15 if LONG else 1)
                await progress()
            sent.is_enough.set()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sent.run(clients))
            tasks.create_task(strikes())
        return sent

    if broker.kind == "configured":
        pytest.skip(left_out("own-kafka"))
    sent = asyncio.run(scenario())
    found = ids_in_topic(settings_of(broker), *(f"client-{number}" for number in range(clients)))
    assert len(sent.taken) >= 4 * 20 * clients * rounds
    assert {name: found[name] for name in sent.taken} == dict.fromkeys(sent.taken, 1)
    assert set(found.values()) == {1}
    assert sent.statuses["ServerDisconnectedError"] + sent.statuses["ClientOSError"] > 0, "the kill hit no request"


@contextmanager
def standing_still(broker):
    """Stop the broker's process, as a machine does that swaps."""
    pid = status(broker.directory).pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_door_that_is_stopped_answers_what_it_has(door, broker):
    """SIGTERM while Kafka stands still: the request gets its 202, and a later one is not taken."""
    answers = []
    with standing_still(broker):
        asking = threading.Thread(target=lambda: answers.append(post(door, line("last", 1))[0]))
        asking.start()
        sleep(0.5)  # nothing outside tells that a request is being answered; an earlier signal is as good a test
        door.process.send_signal(signal.SIGTERM)
        door.wait_until_said("stopping")
    asking.join(ANSWER_SECONDS)
    assert answers == [202]
    assert door.process.wait(ANSWER_SECONDS) == 0
    assert ids_in_topic(settings_of(broker), "last") == {"last-1": 1}


def test_keys_are_asked_for_and_never_shown(broker, tmp_path):
    """Without one or with a wrong one: 401, nothing is read. No log holds one."""
    file = tmp_path / "keys"
    file.write_text(f"# the shop\n{KEY}\nanother-key-0123456789\n")
    with ListenProcess(emptied(broker), tmp_path, listen_keys_file=file) as door:
        for given in ({}, {"Authorization": "Bearer wrong-key-0123456789"}, {"Authorization": f"Basic {KEY}"}):
            code, told, headers = post(door, line("a", 1), **given)
            assert (code, headers["WWW-Authenticate"]) == (401, "Bearer"), told
        for key in (KEY, "another-key-0123456789"):
            assert post(door, line(key, 1), Authorization=f"Bearer {key}", Host="shop.example")[0] == 202
        assert get(door, "/ready") == 200
        run_example(door, "sh", "touchpoints.sh", JOURNEYS_LISTEN_KEY=KEY)
        assert door.stop() == 0
        assert "key-" not in door.log
    found = asyncio.run(read_inputs(settings_of(broker)))
    kinds = [type(one).__name__ for records in found.values() for one in records]
    assert sorted(kinds) == ["JourneySignal", *["Touchpoint"] * 3]


def test_a_mapping_makes_records_of_other_people_s_events(broker, tmp_path):
    """Calls of Segment as they are, as a batch and one by one; what comes again is in the topic once."""
    calls = (ROOT / "examples/your-data/segment.jsonl").read_bytes()
    with ListenProcess(emptied(broker), tmp_path, "--map", "segment") as door:
        code, told, _ = post(door, calls, "application/x-ndjson")
        assert (code, told["accepted"], told["refused"]) == (202, 185, 0)
        code, told, _ = post(door, json.loads(calls.splitlines()[0]))
        assert (code, told["accepted"]) == (202, 0)
        code, told, _ = post(door, {"type": "track", "event": "Order Completed"})
        assert (code, told["refused"]) == (422, 1)
        assert door.stop() == 0
    found = asyncio.run(read_inputs(settings_of(broker)))
    assert sum(len(records) for records in found.values()) == 185


@needs_node
def test_the_example_in_node_runs(door):
    """As the page says, without a key on the same machine."""
    run_example(door, "node", "touchpoints.mjs")


def run_example(door, program, name, **environment):
    """Run an example twice: the second time nothing is new."""
    for accepted in (2, 0):
        done = subprocess.run(
            [program, str(ROOT / "examples/producer" / name), door.url],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["accepted"] == accepted
