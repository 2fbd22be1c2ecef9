"""History comes in with its own time: every punctuation behind what came before and before what came after."""

import asyncio
import json

import pytest

from journeys.agents.demo.load_generator import generate
from journeys.agents.history.importer import (
    KEPT_BAD_LINES,
    BehindClockError,
    ImportOptions,
    ImportReport,
    TopicIsLiveError,
    TopicNotEmptyError,
    import_history,
)
from journeys.agents.history.line_files import BadLine, LineFile
from journeys.agents.kafka.topic_time import topic_time
from journeys.agents.verify.topic_replay import TopicReplay
from journeys.schemas.codec import Codec
from journeys.schemas.instants import EARLIEST
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.lines import parse_line
from journeys.schemas.records import JourneyCommand, PolicyChanged, Punctuation
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.partition.driver import replay_punctuated
from journeys.streams.rule.policy import DEFAULT_POLICY
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.topic_contents import DAY, HOUR, START_AT, Raw, home, punctuation, read_inputs, touch, write

pytestmark = pytest.mark.broker
BEGIN = Punctuation(EARLIEST, "simulated", "import")


def imported(settings, records, import_id=None, **options) -> tuple[ImportReport, dict[int, list]]:
    """Import records numbered from 1; gives the report and what each partition holds then."""
    lines = list(enumerate(records, start=1))
    report = asyncio.run(import_history(settings, lines, ImportOptions(**options), import_id=import_id))
    return report, asyncio.run(read_inputs(settings))


def at(milliseconds: int) -> Punctuation:
    """Make a punctuation as the import writes it; `milliseconds` after START_AT."""
    return Punctuation(START_AT + milliseconds, "simulated", "import")


def test_a_punctuation_stands_before_the_record_that_takes_time_an_hour_on(broker):
    """In every partition, at that record's time; a record out of order moves none; no time beyond the last record."""
    records = [
        touch("a", 1, 0),
        touch("bob", 1, HOUR - 1),
        touch("a", 2, HOUR),
        touch("bob", 2, 30),
        touch("bob", 3, 5 * HOUR),
    ]
    report, found = imported(emptied(broker), records)
    assert home("a") != home("bob")
    only_time = [BEGIN, at(0), at(HOUR), at(5 * HOUR)]
    expected = {partition: list(only_time) for partition in range(4)}
    expected[home("a")] = [BEGIN, at(0), records[0], *only_time[2:3], records[2], *only_time[3:]]
    expected[home("bob")] = [BEGIN, at(0), records[1], at(HOUR), records[3], at(5 * HOUR), records[4]]
    assert found == expected
    assert (report.records, report.punctuations, report.ended_by_until) == (5, 3, False)
    assert (report.first_at, report.greatest_at) == (START_AT, START_AT + 5 * HOUR)
    assert report.clock == START_AT + 5 * HOUR


def test_no_punctuation_is_ahead_of_a_record_read_before_it(broker):
    """On a generated log of some thousand records: where each punctuation stands follows from the lines alone."""
    records = [parse_line(line) for line in generate(300, seed=5)]
    _, found = imported(emptied(broker), records, punctuate_every_ms=6 * HOUR)
    expected: dict[int, list] = {partition: [BEGIN] for partition in range(4)}
    greatest = clock = 0
    for record in records:
        greatest = max(greatest, record.occurred_at)
        if greatest - clock >= 6 * HOUR:
            clock = greatest
            for partition in expected.values():
                partition.append(Punctuation(clock, "simulated", "import"))
        expected[home(record.journey_id)].append(record)
    for partition in expected.values() if greatest > clock else ():
        partition.append(Punctuation(greatest, "simulated", "import"))
    assert found == expected


def test_until_ends_the_reading_and_is_the_last_punctuation(broker):
    """The first record behind it is not read, nor what follows."""
    records = [touch("a", 1, 0), touch("a", 2, HOUR), touch("a", 3, 3 * HOUR), touch("a", 4, 1)]
    report, found = imported(emptied(broker), records, until=START_AT + 2 * HOUR)
    assert found[home("a")] == [BEGIN, at(0), records[0], at(HOUR), records[1], at(2 * HOUR)]
    assert (report.records, report.ended_by_until) == (2, True)


def test_punctuations_of_the_file_are_written_as_they_stand_and_no_others(broker):
    """To every partition, whatever time they tell."""
    records = [touch("a", 1, 0), punctuation(DAY), touch("bob", 1, 9 * DAY), punctuation(2 * DAY), touch("a", 2, 3)]
    report, found = imported(emptied(broker), records, holds_punctuations=True)
    assert found[home("a")] == [BEGIN, records[0], punctuation(DAY), punctuation(2 * DAY), records[4]]
    assert found[home("bob")] == [BEGIN, punctuation(DAY), records[2], punctuation(2 * DAY)]
    assert (report.records, report.punctuations, report.clock) == (3, 2, START_AT + 2 * DAY)


def test_an_imported_file_gives_the_same_abandonments_as_its_replay(broker):
    """Over four partitions the same ids with the same fields, but for their provenance."""
    settings = emptied(broker)
    records: list = []
    for number, line in enumerate(generate(200, seed=9)):
        if number % 50 == 49:
            records.append(Punctuation(max(record.occurred_at for record in records[-20:-1]), "simulated"))
        records.append(parse_line(line))
    records.append(Punctuation(records[-1].occurred_at + 91 * DAY, "simulated"))
    imported(settings, records, holds_punctuations=True)

    async def replayed() -> list:
        return [abandoned async for effects in TopicReplay(settings).effects() for abandoned in effects.abandonments]

    def known(abandonments) -> dict:
        plain = {"source_topic": None, "source_partition": None, "source_offset": None}
        return {abandoned.abandonment_id: abandoned._replace(**plain) for abandoned in abandonments}

    of_file = [a for effects in replay_punctuated(enumerate(records)) for a in effects.abandonments]
    assert len(of_file) > 200
    assert known(asyncio.run(replayed())) == known(of_file)


def test_a_live_topic_takes_no_history(broker):
    """Whoever punctuated first decides, in whatever partition; nothing is written."""
    settings = emptied(broker)
    live = Codec().encode(punctuation(0, "live"))
    asyncio.run(write(settings, [Raw(JOURNEY_EVENTS, 3, None, live)]))
    with pytest.raises(TopicIsLiveError, match=r"journey-events\[3\] keeps live time .* is of test\)"):
        asyncio.run(import_history(settings, [(1, touch("a", 1, 0))]))
    assert asyncio.run(read_inputs(settings)) == {0: [], 1: [], 2: [], 3: [punctuation(0, "live")]}
    assert asyncio.run(topic_time(settings, Codec())).time_source == "live"


def test_records_without_time_take_no_history_unless_that_is_wanted(broker):
    """An import would decide whose time they keep."""
    settings = emptied(broker)
    early = touch("a", 0, 0)
    asyncio.run(write(settings, [Raw(JOURNEY_EVENTS, home("a"), b"a", Codec().encode(early))]))
    with pytest.raises(TopicNotEmptyError, match="holds records but no punctuation yet"):
        asyncio.run(import_history(settings, [(1, touch("a", 1, 0))]))
    report = asyncio.run(import_history(settings, [(1, touch("a", 1, 0))], allow_unpunctuated=True))
    assert report.records == 1
    found = asyncio.run(read_inputs(settings))[home("a")]
    assert found == [early, BEGIN, at(0), touch("a", 1, 0)]


def test_a_policy_may_be_there_before_the_history(broker):
    """It keeps nobody's time."""
    settings = emptied(broker)
    policy = PolicyChanged(DEFAULT_POLICY.version, DEFAULT_POLICY.to_json(), START_AT)
    asyncio.run(write(settings, [Raw(JOURNEY_EVENTS, home("a"), None, Codec().encode(policy))]))
    _, found = imported(settings, [touch("a", 1, 0)])
    assert found[home("a")] == [policy, BEGIN, at(0), touch("a", 1, 0)]


def test_row_3_history_in_parts_is_as_history_at_once(broker):
    """No part's time is beyond its last record, so none of the next part is late."""
    settings = emptied(broker)
    records = [touch("a", number, number * DAY) for number in range(6)]
    imported(settings, records[:3])
    report, found = imported(settings, records[3:])
    assert report.records == 3
    time = [one for number, record in enumerate(records) for one in (at(number * DAY), record)]
    assert found[home("a")] == [BEGIN, *time]
    assert asyncio.run(topic_time(settings, Codec())).time_source == "simulated"


def test_row_3_a_part_that_lies_behind_is_refused_or_left_out_unless_told(broker):
    """Nothing is late without a word."""
    settings = emptied(broker)
    imported(settings, [touch("a", 1, 10 * DAY)])
    late = [touch("a", 2, 9 * DAY), touch("bob", 1, 11 * DAY)]
    with pytest.raises(BehindClockError, match=r"line 1: .* lies behind the clock of journey-events, .*--behind skip"):
        imported(settings, late)
    report, found = imported(settings, late, behind="skip")
    assert (report.behind_count, report.records) == (1, 1)
    assert late[0] not in found[home("a")]
    report, found = imported(settings, late, behind="take")
    assert (report.behind_count, report.records) == (0, 2)
    assert late[0] in found[home("a")]


def test_row_3_a_record_that_would_move_the_clock_too_far_is_a_bad_line(broker):
    """One date in the future does not end all journeys; who has such gaps says so."""
    settings = emptied(broker)
    records = [touch("a", 1, 0), touch("b", 1, 500 * DAY), touch("a", 2, HOUR), touch("a", 3, 40 * DAY)]
    report, found = imported(settings, records)
    assert [(line.number, report.too_far_count) for line in report.bad_lines] == [(2, 2), (4, 2)]
    assert (report.records, report.clock) == (2, START_AT + HOUR)
    report, found = imported(settings, [touch("a", 3, 40 * DAY)], largest_step_ms=50 * DAY)
    assert (report.records, report.bad_line_count) == (1, 0)
    assert found[home("a")][-2:] == [at(40 * DAY), touch("a", 3, 40 * DAY)]


def test_row_3_an_import_said_again_writes_nothing_twice(broker):
    """Whether it had ended or not; another import of the same lines is another one."""
    settings = emptied(broker)
    wide = {"segment": "s" * 200}  # batches are full, and so sent, before the end
    records = [touch(name, at, at * HOUR // 9, **wide) for at in range(1_500) for name in ("a", "bob", "carl")]
    lines = iter(enumerate(records, start=1))

    def breaks_off():
        for number, record in lines:
            if number == 4_000:
                raise KeyboardInterrupt
            yield number, record

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(import_history(settings, breaks_off(), import_id="one"))
    report, found = imported(settings, records, "one")
    assert 1_000 < report.there_before < 4_000
    again, after = imported(settings, records, "one")
    assert (again.records, again.there_before) == (4_500, 4_500)
    assert after == found
    other = emptied(broker)
    assert imported(other, records)[1] == found


def test_row_4_an_import_leaves_out_what_its_history_repeats(broker):
    """A batch of 20 that comes again is in the topic once; other journeys may have the same ids."""
    settings = emptied(broker)
    batch = [touch("a", number, number) for number in range(20)]
    other = touch("bob", 1, 20)._replace(touchpoint_id=batch[0].touchpoint_id)
    report, found = imported(settings, [*batch, *batch, other], leaves_out_repeats=True)
    assert (report.records, report.repeat_count) == (21, 20)
    kept = [record for record in found[home("a")] if getattr(record, "journey_id", None) == "a"]
    assert kept == batch
    assert other in found[home("bob")]


def test_bad_lines_are_counted_with_their_numbers_and_the_rest_is_imported(broker, tmp_path):
    """A negative cost, a note that is too long, and no JSON at all."""
    settings = emptied(broker)
    fine = {"journey_id": "a", "touchpoint_id": "1", "occurred_at": START_AT, "cost": 1}
    command = {"kind": "command", "command": "abandon", "journey_id": "a", "occurred_at": START_AT}
    lines = [fine, fine | {"cost": -1}, fine | {"touchpoint_id": "2"}, command | {"note": "n" * 10_001}]
    path = tmp_path / "history.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\nnonsense\n")
    seen: list[int] = []
    report = asyncio.run(
        import_history(settings, LineFile(str(path)).records(), progress=lambda now: seen.append(now.records))
    )
    assert (report.records, report.bad_line_count) == (2, 3)
    assert [line.number for line in report.bad_lines] == [2, 4, 5]
    assert seen[-1] == 2
    found = asyncio.run(read_inputs(settings))[home("a")]
    assert [type(record) for record in found].count(JourneyCommand) == 0


def test_a_bad_record_moves_no_time(broker):
    """Records that no line made are looked at, too, before anything is written for them."""
    report, found = imported(emptied(broker), [touch("a", 1, 0), touch("a", 2, DAY, state="ASLEEP")])
    assert found[home("a")] == [BEGIN, at(0), touch("a", 1, 0)]
    assert [line.number for line in report.bad_lines] == [2]


def test_of_very_many_bad_lines_the_first_are_kept():
    """A file of nonsense does not fill the memory."""
    report = ImportReport()
    for number in range(KEPT_BAD_LINES + 5):
        report.add_bad_line(BadLine(number, InvalidRecordError("line", "x", "a JSON object")))
    assert report.bad_line_count == KEPT_BAD_LINES + 5
    assert [line.number for line in report.bad_lines] == list(range(KEPT_BAD_LINES))
