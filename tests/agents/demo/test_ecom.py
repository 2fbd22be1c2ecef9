"""The ecom clickstream as touchpoints, and the faults that its mapping file may have."""

import json
import sys
from collections import Counter
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from journeys.agents.demo.ecom import MappingError, ecom_path, load_mapping, touchpoints
from journeys.agents.demo.packaged_file import PackagedFileMissingError
from journeys.schemas.instants import parse_instant
from journeys.schemas.lines import parse_line

EXAMPLE = Path(__file__).parents[3] / "agents" / "demo" / "ecom.toml"
STATES = {
    "product_view": "AWARE",
    "search": "AWARE",
    "add_to_cart": "CONSIDERING",
    "wishlist_add": "CONSIDERING",
    "compare": "CONSIDERING",
    "cart": "INTENT",
    "shipping_details": "INTENT",
    "payment_details": "INTENT",
    "purchase": "CONVERTED",
}


@pytest.fixture(scope="module")
def lines():
    """Every line under the mapping of the example file."""
    return list(touchpoints(load_mapping(EXAMPLE)))


def test_holds_every_event_of_every_user(lines):
    """31,106 events of 600 users, each with an id of its own."""
    assert len(lines) == 31_106
    assert len({line["user_id"] for line in lines}) == 600
    assert len({line["journey_id"] for line in lines}) == 600
    assert len({line["touchpoint_id"] for line in lines}) == 31_106


def test_is_in_order_of_time_and_stable(lines):
    """Time never goes back, and at equal times the order of the file's rows is kept."""
    order = [
        (parse_instant(line["occurred_at"]), int(line["touchpoint_id"].removeprefix("ecom-row-"))) for line in lines
    ]
    assert order == sorted(order)
    assert any(a[0] == b[0] for a, b in pairwise(order))  # else nothing was shown about equal times
    assert (lines[0]["occurred_at"], lines[-1]["occurred_at"]) == (
        "2024-01-04T11:45:38Z",
        "2024-06-29T22:02:40Z",
    )


def test_lines_are_of_the_input_format(lines):
    """The reader of lines takes every one, with the time and cost that it says."""
    for line in lines:
        record = parse_line(line)
        assert record.touchpoint_id == line["touchpoint_id"]
        assert record.occurred_at == parse_instant(line["occurred_at"])
        assert record.cost_micros == Decimal(line["cost"]) * 1_000_000


def test_first_row_of_the_file(lines):
    """The row behind the heading, column by column, in the words of the JSONL input."""
    (first,) = (line for line in lines if line["touchpoint_id"] == "ecom-row-1")
    assert first == {
        "kind": "touchpoint",
        "journey_id": "ecom-user_0000",
        "user_id": "user_0000",
        "occurred_at": "2024-03-13T10:21:14Z",
        "touchpoint_id": "ecom-row-1",
        "channel": "email",
        "event_type": "home",
        "cost": "0.02",
    }


def test_states_are_those_of_the_issue_and_other_events_carry_none(lines):
    """Nine events have a state; the ten others leave it out, which keeps the journey's state."""
    assert {line["event_type"]: line["state"] for line in lines if "state" in line} == STATES
    without = {line["event_type"] for line in lines if "state" not in line}
    assert len(without) == 10
    assert not without & set(STATES)
    assert Counter(line.get("state") for line in lines)["CONVERTED"] == 470


def test_same_lines_again(lines):
    """A second reading gives the same bytes."""
    again = touchpoints(load_mapping(EXAMPLE))
    assert [json.dumps(line) for line in again] == [json.dumps(line) for line in lines]


def test_a_reader_can_change_states_and_costs(tmp_path, lines):
    """Another mapping changes state and cost exactly as written, and no id."""
    changed = tmp_path / "mine.toml"
    changed.write_text(
        EXAMPLE.read_text()
        .replace('product_view = "AWARE"', 'home = "UNAWARE"')
        .replace("paid_search = 0.35 ", "paid_search = 0.123456")
    )
    other = list(touchpoints(load_mapping(changed)))
    assert [line["touchpoint_id"] for line in other] == [line["touchpoint_id"] for line in lines]
    assert {line.get("state") for line in other if line["event_type"] == "product_view"} == {None}
    assert {line.get("state") for line in other if line["event_type"] == "home"} == {"UNAWARE"}
    costs = {line["channel"]: line["cost"] for line in other}
    assert costs["paid_search"] == "0.123456"
    saved = sum(Decimal(line["cost"]) for line in lines) - sum(Decimal(line["cost"]) for line in other)
    assert saved == 8_649 * (Decimal("0.35") - Decimal("0.123456"))


@pytest.mark.parametrize(
    ("written", "instead", "key", "found"),
    [
        ('search = "AWARE"', 'search = "AWRE"', "states.search", "'AWRE'"),
        ('search = "AWARE"', 'serach = "AWARE"', "states.serach", "'serach'"),
        ("email = 0.02", "email = -0.02", "cost_per_touchpoint.email", "'-0.02'"),
        ("email = 0.02", "email = nan", "cost_per_touchpoint.email", "'NaN'"),
        ("email = 0.02", "email = 0.0000001", "cost_per_touchpoint.email", "'1E-7'"),
        ("email = 0.02", 'email = "cheap"', "cost_per_touchpoint.email", "'cheap'"),
        ("email = 0.02", "email = 0.02\ntv = 1", "cost_per_touchpoint.tv", "'1'"),
        ("email = 0.02", "", "cost_per_touchpoint.email", "Field required"),
        ("[states]", "[status]", "states", "Field required"),
    ],
)
def test_faults_name_file_key_and_value(tmp_path, written, instead, key, found):
    """Whatever is wrong in the mapping, the message says where and what was found."""
    text = EXAMPLE.read_text()
    assert written in text
    broken = tmp_path / "broken.toml"
    broken.write_text(text.replace(written, instead))
    with pytest.raises(MappingError) as caught:
        load_mapping(broken)
    faults = str(caught.value).splitlines()
    (fault,) = (line for line in faults if line.startswith(f"{broken}: {key}: "))
    assert found in fault


def test_each_fault_has_its_line(tmp_path):
    """Two faults are told at once."""
    broken = tmp_path / "broken.toml"
    broken.write_text(EXAMPLE.read_text().replace("direct = 0 ", "direct = -1 ").replace('cart = "INTENT"', "cart = 3"))
    with pytest.raises(MappingError) as caught:
        load_mapping(broken)
    assert len(str(caught.value).splitlines()) == 2


def test_a_file_that_is_not_there_or_not_toml(tmp_path):
    """Both are told with the file's name."""
    absent = tmp_path / "absent.toml"
    with pytest.raises(MappingError, match=r"absent\.toml: can't be read: No such file"):
        load_mapping(absent)
    torn = tmp_path / "torn.toml"
    torn.write_text("[states\n")
    with pytest.raises(MappingError, match=r"torn\.toml: is not TOML: "):
        load_mapping(torn)


REMEDY = r"pip install --no-deps retentioneering==5\.2\.4"


def install(folder, version):
    """Put the package's metadata, and nothing else of it, into a folder."""
    metadata = folder / f"retentioneering-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: retentioneering\nVersion: {version}\n")


def test_without_the_package_the_command_to_install_it_is_named(monkeypatch, tmp_path):
    """The message is the remedy, and comes at the call, before the first line."""
    mapping = load_mapping(EXAMPLE)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(PackagedFileMissingError, match=rf"which is not installed: {REMEDY}"):
        touchpoints(mapping)


def test_another_version_of_the_package_is_refused(monkeypatch, tmp_path):
    """Its rows may be others, and the numbers of the rows are ids."""
    install(tmp_path, "5.1.0")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(PackagedFileMissingError, match=rf"but 5\.1\.0 is installed: {REMEDY}"):
        ecom_path()


def test_a_package_without_the_file_is_refused(monkeypatch, tmp_path):
    """A broken installation is told as such."""
    install(tmp_path, "5.2.4")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(PackagedFileMissingError, match=rf"without that file: {REMEDY}"):
        ecom_path()


def test_the_package_is_never_imported(lines):
    """It would bring pandas and its own dependencies, which are not installed."""
    assert lines
    assert "retentioneering" not in sys.modules
