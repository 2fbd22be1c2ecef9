"""Exports of other programs, looked at and asked with the mapping that `inspect` writes, as it writes it."""

import json

import pytest

from .other_shapes import EVENTS, PEOPLE, SHAPES


@pytest.mark.parametrize("shape", SHAPES)
def test_the_proposed_mapping_takes_every_row(cli, tmp_path, shape):
    """All people, all rows that are no cancelled orders, all conversions, at their times and values."""
    make, suffix, conversions = SHAPES[shape]
    path = tmp_path / f"{shape}.{suffix}"
    path.write_text(make())
    mapping = tmp_path / "map.toml"
    looked = cli("inspect", str(path), "--write", str(mapping), "--json")
    assert looked.exit_code == 0, looked.output
    outcome = json.loads(looked.stdout)["outcome"]
    asked = cli("replay", str(path), "--map", str(mapping), "--output", str(tmp_path / "out.jsonl"), "--json")
    assert asked.exit_code == 0, asked.output
    found = json.loads(asked.stdout)
    sales = conversions if shape == "woocommerce" else len(EVENTS)
    assert (found["touchpoints"], found["bad_lines"]) == (sales, 0)
    assert found["journeys"] == (PEOPLE if sales == len(EVENTS) else sales)
    assert found["conversions"] == conversions
    assert outcome["first_at"][:10] == f"{min(one.at for one in EVENTS):%Y-%m-%d}" or shape == "woocommerce"
    if shape in VALUED:
        assert outcome["value_micros"] == sum(round(1_000_000 * one.value) for one in EVENTS if one.value)


VALUED = {"rees46", "appsflyer", "adjust", "amplitude", "posthog", "heap", "klaviyo", "titled", "woocommerce"}


@pytest.mark.parametrize("rows", [1, 40])
def test_days_alone_are_midnights_of_their_zone(cli, tmp_path, rows):
    """The day of a date looks like an offset from UTC, and is none."""
    path, mapping = tmp_path / "days.csv", tmp_path / "map.toml"
    path.write_text("user_id,day,event\n" + "".join(f"u{n},2024-03-{n % 28 + 1:02},view\n" for n in range(rows)))
    mapping.write_text(
        '[fields]\njourney_id = "user_id"\noccurred_at = { column = "day", zone = "Europe/Berlin" }\n'
        'touchpoint_id = { row_number = true }\nevent_type = "event"\ncost = 0\n[events]\nview = "AWARE"\n'
    )
    found = cli("replay", str(path), "--map", str(mapping), "--output", str(tmp_path / "out.jsonl"), "--json")
    assert (json.loads(found.stdout)["touchpoints"], json.loads(found.stdout)["bad_lines"]) == (rows, 0)
    (line, *_) = (tmp_path / "out.jsonl").read_text().splitlines() or ["{}"]
    assert rows == 1 or json.loads(line)["started_at"] == "2024-02-29T23:00:00.000Z"


def test_what_nothing_says_is_asked_for(cli, tmp_path):
    """Clicks of YOOCHOOSE have no names of columns: whose they are is left to the reader, in words."""
    path, mapping = tmp_path / "clicks.dat", tmp_path / "map.toml"
    path.write_text("".join(f"{one.person},{one.at:%Y-%m-%dT%H:%M:%S}.123Z,{one.number},0\n" for one in EVENTS))
    looked = cli("inspect", str(path), "--write", str(mapping))
    assert looked.exit_code == 0
    assert "journey_id: no column looks like a person" in looked.stdout
    refused = cli("replay", str(path), "--map", str(mapping), "--output", str(tmp_path / "out.jsonl"))
    assert refused.exit_code == 2
    assert "no column '???' They have: column1, column2, column3, column4" in refused.stderr
    mapping.write_text(mapping.read_text().replace('"???"', '"column1"'))
    asked = cli("replay", str(path), "--map", str(mapping), "--output", str(tmp_path / "out.jsonl"), "--json")
    assert (json.loads(asked.stdout)["journeys"], json.loads(asked.stdout)["bad_lines"]) == (PEOPLE, 0)


def test_a_header_that_does_not_fit_its_rows_is_no_title(cli, tmp_path):
    """Lines in front of a table are one cell; whatever else is there is part of the table, and told."""
    path = tmp_path / "short.csv"
    path.write_text("journey_id,touchpoint_id\n" + "".join(f"j,{n},2024-03-01T00:00:0{n}Z,1\n" for n in range(5)))
    refused = cli("replay", str(path), "--output", str(tmp_path / "out.jsonl"))
    assert refused.exit_code == 2
    assert "4 cells, but the header has 2 columns" in refused.stderr
