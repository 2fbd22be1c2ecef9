"""Files of other people: looked at, mapped and asked, in commands and without code."""

from __future__ import annotations

import gzip
import json
import os
import signal
import stat
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from journeys.agents.mapping.mapping_file import load_mapping, preset_names

from .console_script import started

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "examples" / "your-data"
HEAD = "journey_id,touchpoint_id,occurred_at,cost,channel,state"
ROWS = [f"cart-{n},t-{n},2026-03-02T1{n}:00:00Z,1.25,search,AWARE" for n in range(9)]
PRESETS = {
    "ga4": ("ga4.jsonl", 185, 16),
    "segment": ("segment.jsonl", 185, 16),
    "rudderstack": ("rudderstack.csv", 185, 16),
    "mixpanel": ("mixpanel.jsonl", 185, 16),
    "snowplow": ("snowplow.tsv", 185, 16),
    "shopify-orders": ("shopify-orders.csv", 39, 33),
    "matomo": ("matomo.json", 185, 16),
    "criteo-attribution": ("criteo-attribution.tsv", 241, 16),
    "open-bandit": ("open-bandit.csv", 185, 0),
}


def told(result):
    """The summary of a replay with --json."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def replayed(cli, *arguments):
    """Replay to a file, and give the summary."""
    return told(cli("replay", *map(str, arguments), "--output", "out.jsonl", "--json"))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_takes_its_sample(cli, preset):
    """Every row becomes a record or is told; money and conversions are there."""
    name, touchpoints, conversions = PRESETS[preset]
    found = replayed(cli, SAMPLES / name, "--map", preset)
    assert (found["touchpoints"], found["conversions"]) == (touchpoints, conversions)
    assert (found["bad_lines"], found["behind"], found["late"]) == (0, 0, 0)
    assert sum(found["abandonments"].values()) > 0
    assert found["open"] >= 0


def test_every_preset_has_a_sample_and_a_source(cli):
    """A documented shape, and a small file in it."""
    assert set(preset_names()) == set(PRESETS)
    assert all(load_mapping(name).mapping.source.startswith("https://") for name in preset_names())


def test_inspect_map_report_in_three_commands(cli, tmp_path):
    """A file that nobody described: the mapping that inspect writes can be used at once."""
    rows = [
        f"v-{n % 7};{1 + n // 7:02}.03.2026 1{n % 9}:05:00;{'purchase' if n == 19 else 'page_view'};email;0,25;12,5"
        for n in range(20)
    ]
    (tmp_path / "visits.csv").write_text("\n".join(["visitor;when;what;medium;spent;worth", *reversed(rows)]), "utf-8")
    looked = cli("inspect", "visits.csv", "--write", "map.toml")
    assert looked.exit_code == 0, looked.stderr
    assert "delimiter semicolon" in looked.stdout
    assert "missing: the zone of the times" in looked.stdout
    found = replayed(cli, "visits.csv", "--map", "map.toml")
    assert (found["touchpoints"], found["journeys"], found["conversions"], found["behind"]) == (20, 7, 1, 0)
    made = cli("report", "visits.csv", "--map", "map.toml", "--html", "report.html", "--json")
    assert made.exit_code == 0, made.stderr
    assert json.loads(made.stdout)["page"] == "report.html"
    assert "<html" in (tmp_path / "report.html").read_text("utf-8")


def test_csv_out_of_order_is_sorted(cli, tmp_path):
    """None is late, whatever the order; as logged they are."""
    rows = [f"one,t-{n},2026-03-{20 - n:02}T10:00:00Z,1,search,AWARE" for n in range(9)]
    (tmp_path / "x.csv").write_text("\n".join([HEAD, *rows]))
    assert replayed(cli, "x.csv")["behind"] == 0
    assert replayed(cli, "x.csv", "--as-logged")["behind"] == 8


def test_json_lines_are_a_log_and_say_what_lies_behind(cli, tmp_path):
    """Which line moved the clock how far, and what helps."""
    days = ["2026-01-01", "2027-06-01", "2026-01-02", "2026-01-03"]
    lines = [
        {"journey_id": f"j{n}", "touchpoint_id": "t", "occurred_at": f"{day}T00:00:00Z", "cost": 1}
        for n, day in enumerate(days)
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    result = cli("replay", "x.jsonl", "--output", "out.jsonl")
    assert "2 records lie behind" in result.stderr
    assert "record 2, which moved the clock by 516.0 days" in result.stderr
    assert "--sort" in result.stderr
    assert replayed(cli, "x.jsonl", "--sort")["behind"] == 0


def test_a_history_ends_at_its_last_record(cli, tmp_path):
    """What is not decided by then is open, and told so; --until goes on."""
    (tmp_path / "x.csv").write_text("\n".join([HEAD, *ROWS]))
    found = replayed(cli, "x.csv")
    assert (sum(found["abandonments"].values()), found["open"]) == (0, 9)
    found = replayed(cli, "x.csv", "--until", "2026-06-01T00:00:00Z")
    assert (sum(found["abandonments"].values()), found["open"]) == (9, 0)


def test_a_comparison_counts_no_days_in_which_nothing_is_seen(cli, tmp_path):
    """However late --until lies."""
    (tmp_path / "x.csv").write_text("\n".join([HEAD, *ROWS]))
    for more in ((), ("--reference",)):
        found = told(cli("backtest", "x.csv", "--until", "2027-01-01T00:00:00Z", "--json", *more))
        assert found["policies"][0]["open"] == 9


@pytest.mark.parametrize(
    ("rows", "line", "why"),
    [
        ([ROWS[0], ROWS[1].replace("search", '"12in'), *ROWS[2:]], 3, "a quote is opened"),
        ([ROWS[0], ROWS[1].replace("search", '"12in'), *ROWS[2:8], ROWS[8].replace("search", '"a, b"')], 3, "CSV"),
        ([ROWS[0], ROWS[1].replace("1.25", "1,25"), *ROWS[2:]], 3, "7 cells"),
    ],
    ids=["an open quote", "an open quote that another closes", "a decimal comma"],
)
def test_a_bad_row_costs_no_other(cli, tmp_path, rows, line, why):
    """It is told with its number; all others count."""
    (tmp_path / "x.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    result = cli("replay", "x.csv", "--output", "out.jsonl", "--json")
    assert json.loads(result.stdout)["touchpoints"] == 8
    assert f"x.csv: line {line}: row: " in result.stderr
    assert why in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", (HEAD + ",cost\n" + ROWS[0] + ",9\n").encode(), "two columns have the name 'cost'"),
        ("x.csv", b"when,who\n2026-01-01,ann\n", "no column is called journey_id"),
        ("x.jsonl", b'{"event": "a"}\n{"event": "b"}\n', "none of 2 lines is a record"),
        ("x.zip", b"PK\x03\x04rest", "zip"),
        ("x.parquet", b"PAR1 cut off", "not Parquet"),
        ("x.csv.gz", gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0)[:-20], "cut off or damaged"),
    ],
)
def test_a_file_that_is_nothing_is_one_line_and_code_2(cli, tmp_path, name, content, said):
    """What it is, and what to do."""
    (tmp_path / name).write_bytes(content)
    result = cli("replay", name, "--output", "out.jsonl")
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("suffix", ["csv", "tsv", "csv.gz", "csv.zst", "utf16.csv", "folder", "-"])
def test_however_it_is_packed_it_is_the_same(cli, tmp_path, suffix):
    """Delimiters, compression, encodings, folders, standard input: told by what is in them."""
    text = "\n".join([HEAD, *ROWS]) + "\n"
    path, more = tmp_path / f"x.{suffix}", {}
    if suffix == "tsv":
        path.write_text(text.replace(",", "\t"))
    elif suffix == "csv.gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif suffix == "csv.zst":
        with pa.CompressedOutputStream(str(path), "zstd") as out:
            out.write(text.encode())
    elif suffix == "utf16.csv":
        path.write_text(text.replace(",", ";"), "utf-16")
    elif suffix == "folder":
        path.mkdir()
        (path / "a.csv").write_text(text[: text.index("cart-4")])
        (path / "b.csv").write_text(HEAD + "\n" + text[text.index("cart-4") :])
    elif suffix == "-":
        path, more = Path("-"), {"input": text}
    else:
        path.write_text(text)
    result = cli("replay", str(path), "--output", "out.jsonl", "--json", **more)
    found = told(result)
    assert (found["touchpoints"], found["bad_lines"]) == (9, 0)


def test_numbers_of_parquet_count_as_they_are_written(cli, tmp_path):
    """A float32 as its shortest decimal, whole numbers as ids, an export of the topics with its values."""
    at = [1_772_445_600_000 + n for n in range(3)]
    table = {
        "journey_id": [1, 2, 3],
        "touchpoint_id": [1, 2, 3],
        "occurred_at": at,
        "cost": pa.array([0.1, 1.25, 7.7], pa.float32()),
    }
    parquet.write_table(pa.table(table), tmp_path / "x.parquet")
    assert replayed(cli, "x.parquet")["bad_lines"] == 0
    parquet.write_table(pa.table(table).take([2, 1, 0]), tmp_path / "y.parquet")
    found = replayed(cli, "y.parquet")
    assert (found["bad_lines"], found["behind"], found["touchpoints"]) == (0, 0, 3)


def test_a_mapping_says_what_is_wrong_with_it(cli, tmp_path):
    """The key, the value, what would be right; one line a fault."""
    (tmp_path / "x.csv").write_text("who,when,what\nann,2026-01-01,view\n")
    for text, said in (
        ("[fields]\njourney_id = 'who'\n", "occurred_at is missing"),
        ("[fields]\njourney_id = 'whom'\noccurred_at = { column = 'when', zone = 'UTC' }\n", "did you mean 'who'?"),
        ("[fields]\njourney_id = 'who'\noccurred_at = { column = 'when', zone = 'Mars/X' }\n", "Mars/X"),
        ("[fields]\njourney_id = 'who'\noccurred_at = { colum = 'when' }\n", "there is no such key"),
        ("[fields]\njourney_id = 'who'\noccurred_at = 'when'\n[events]\nview = 'AWRE'\n", "one of UNAWARE"),
        ("[fields]\njourney_id = 'who'\noccurred_at = 'when'\n[[rules]]\nwhen = 'what ='\n", "rules.0.when"),
    ):
        (tmp_path / "map.toml").write_text(text)
        result = cli("replay", "x.csv", "--map", "map.toml", "--output", "out.jsonl")
        assert result.exit_code == 2
        assert said in result.stderr, (text, result.stderr)


MAPPED = """
[fields]
journey_id = ["user", "anonymous"]
touchpoint_id = { hash = ["user", "anonymous", "when", "what"] }
occurred_at = { column = "when", format = "%d/%m/%Y %H:%M", zone = "Europe/Berlin" }
event_type = "what"
channel = "medium"
segment = "plan"
cost = { column = "euros", rate = 1.1, currency = "EUR", round = true, decimal_mark = "," }
[events]
view = "AWARE"
logout = "fatigue"
rival = "competitor_conversion"
robot = "skip"
"""


def test_a_mapping_of_many_abilities(cli, tmp_path):
    """First of columns, hashed ids, local times, money in a currency, ends as signals; what is left out is listed."""
    (tmp_path / "x.csv").write_text(
        "user;anonymous;when;what;medium;plan;euros\n"
        "ann;a;01/07/2026 12:00;view;email;pro;1,00\n"
        ";b;02/07/2026 12:00;view;email;;0,333\n"
        "ann;a;03/07/2026 12:00;rival;;;\n"
        "ann;a;03/07/2026 13:00;robot;;;\n"
        "ann;a;03/07/2026 13:00;novelty;;;\n"
        "bob;;31/06/2026 12:00;view;;;1\n"
    )
    (tmp_path / "map.toml").write_text(MAPPED)
    result = cli("replay", "x.csv", "--map", "map.toml", "--output", "out.jsonl")
    assert result.exit_code == 0, result.stderr
    assert "1 rows are taken by no rule of the mapping: novelty 1" in result.stderr
    assert "1 rows skipped" in result.stderr
    assert "x.csv: line 7: occurred_at: '31/06/2026 12:00'" in result.stderr
    (lost,) = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert (lost["abandonment_reason"], lost["total_cost_micros"]) == ("COMPETITOR_CONVERSION", 1_100_000)
    assert lost["started_at"] == "2026-07-01T10:00:00.000Z"


def test_daily_spend_is_shared_to_the_micro(cli, tmp_path):
    """By day and channel; a day without touchpoints is told."""
    (tmp_path / "spend.csv").write_text(
        "date,medium,usd\n2026-03-01,email,1.00\n2026-03-01,ads,7\n2026-03-09,email,5\n"
    )
    lines = ["who,when,medium"] + [f"j,2026-03-01T0{n}:00:00Z,email" for n in range(3)] + ["j,2026-03-20T00:00:00Z,tv"]
    (tmp_path / "x.csv").write_text("\n".join(lines))
    (tmp_path / "map.toml").write_text(
        '[fields]\njourney_id = "who"\noccurred_at = "when"\nchannel = "medium"\nstate = { constant = "AWARE" }\n'
        '[fields.cost.daily]\nfile = "spend.csv"\nday = "date"\namount = "usd"\nchannel = "medium"\n'
    )
    result = cli("replay", "x.csv", "--map", "map.toml", "--output", "out.jsonl")
    assert result.exit_code == 0, result.stderr
    (first,) = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert first["total_cost_micros"] == 1_000_000
    assert "daily spend of 2 days, 12.00 dollars, has no touchpoint" in result.stderr


def test_an_output_is_never_the_input_nor_a_device(cli, tmp_path):
    """Through links, too; what is there stays as it was."""
    (tmp_path / "x.csv").write_text("\n".join([HEAD, *ROWS]))
    (tmp_path / "link.csv").symlink_to("x.csv")
    before = (tmp_path / "x.csv").read_bytes()
    assert cli("replay", "x.csv", "--output", "link.csv").exit_code == 2
    assert cli("backtest", "x.csv", "--output", "x.csv").exit_code == 2
    assert cli("inspect", "x.csv", "--write", "x.csv").exit_code == 2
    assert cli("inspect", "x.csv", "--write", "/dev/null").exit_code == 2
    assert cli("replay", "x.csv", "--output", "a.jsonl", "--lifecycle", "./a.jsonl").exit_code == 2
    assert (tmp_path / "x.csv").read_bytes() == before
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_an_output_keeps_its_mode_and_its_links(cli, tmp_path):
    """0600 stays so; a hard link sees what was written, a symbolic one stays a link."""
    (tmp_path / "x.csv").write_text("\n".join([HEAD, *ROWS]))
    secret, twin, link = tmp_path / "secret.toml", tmp_path / "twin.toml", tmp_path / "link.toml"
    secret.write_text("old")
    secret.chmod(0o600)
    cli("inspect", "x.csv", "--write", "secret.toml")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert "journey_id" in secret.read_text()
    secret.write_text("old")
    os.link(secret, twin)
    link.symlink_to("secret.toml")
    cli("inspect", "x.csv", "--write", "link.toml")
    assert link.is_symlink()
    assert twin.read_text() == secret.read_text() != "old"


def test_sigterm_leaves_no_part_of_a_file(tmp_path):
    """It ends the command as Ctrl-C does, and what it had begun to write is cleared away."""
    os.mkfifo(tmp_path / "in.jsonl")
    with started("generate", "--seed", "1", "--journeys", "1000000", "--output", "out.jsonl", cwd=tmp_path) as process:
        while not list(tmp_path.glob(".out.jsonl.*.partial")):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_pipe_is_read_as_a_file(cli, tmp_path):
    """And so is what a shell makes of <(...)."""
    os.mkfifo(tmp_path / "pipe.csv")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe.csv").write_text("\n".join([HEAD, *ROWS])))
    writer.start()
    assert replayed(cli, "pipe.csv")["touchpoints"] == 9
    writer.join()


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("batch", [20, 1_000])
def test_row_4_a_batch_that_is_said_again_counts_once(cli, tmp_path, times, batch):
    """A file is read as a whole: its repeats are recognised further back than a row remembers by default."""
    lines = [
        json.dumps({"journey_id": "j", "touchpoint_id": f"t-{n}", "occurred_at": 1_760_000_000_000 + n, "cost": 1})
        for n in range(batch)
    ]
    path = tmp_path / "said-again.jsonl"
    path.write_text("\n".join(lines * times) + "\n")
    found = replayed(cli, path)
    assert (found["records"], found["duplicates"]) == (times * batch, (times - 1) * batch)
    packed = tmp_path / "packed.parquet"
    assert cli("pack", str(path), "--output", str(packed)).exit_code == 0
    for source in (path, packed):
        (tally,) = told(cli("backtest", str(source), "--json"))["policies"]
        assert (tally["applied"], tally["duplicates"]) == (batch, (times - 1) * batch)
