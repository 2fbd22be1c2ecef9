"""What a watch shows of what it has seen."""

from io import StringIO

from journeys.cli.screen import Screen
from journeys.cli.views.watched import Watched
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import DeadLetter, JourneyAbandoned, JourneyLifecycle

STARTED_AT = 1_760_000_000_000


def abandonment(number: int, reason: str = "TIMEOUT") -> JourneyAbandoned:
    """Make an abandonment with a penalty of 2.50 dollars."""
    fields = dict.fromkeys(JourneyAbandoned._fields)
    return JourneyAbandoned(**fields)._replace(
        abandonment_id=f"id-{number}",
        journey_id=f"journey-{number}",
        abandonment_reason=reason,
        state="AWARE",
        abandoned_at=STARTED_AT + number,
        total_penalty_micros=2_500_000,
    )


def shown(watched: Watched) -> str:
    """Text of the table as it is drawn."""
    screen = Screen(StringIO())
    screen.print(watched.table())
    return screen.file.getvalue()


def rows(text: str) -> dict[str, list[str]]:
    """Cells of each row by its first."""
    cells = ([cell.strip() for cell in line.split("│")] for line in text.splitlines())
    return {name: rest for name, *rest in cells}


def test_counts_by_kind_with_penalties():
    """Reasons with dollars, the rest without, and their sum."""
    watched = Watched()
    watched.add([abandonment(1), abandonment(2), abandonment(3, "INACTIVITY")])
    watched.add([JourneyLifecycle("l-1", "converted", "journey-9", None, STARTED_AT, STARTED_AT)])
    watched.add([DeadLetter("journey-events", 1, 7, "no", None, None, None, 0, "")])
    watched.add([InvalidRecordError("value", b"", "Avro")])
    found = rows(shown(watched))
    assert (found["TIMEOUT"][0], found["TIMEOUT"][2]) == ("2", "5.00")
    assert (found["abandonments"][0], found["abandonments"][2]) == ("3", "7.50")
    assert [found[name][0] for name in ("converted", "dead letter", "unreadable")] == ["1", "1", "1"]
    assert found["converted"][2] == ""


def test_rates_are_those_of_the_last_seconds():
    """Ten at once are two a second over five seconds."""
    watched = Watched()
    watched.add([abandonment(number) for number in range(10)])
    assert rows(shown(watched))["TIMEOUT"][1] == "2.0"


def test_what_is_published_twice_counts_once():
    """At-least-once delivery says the same again after a crash."""
    watched = Watched()
    watched.add([abandonment(1), abandonment(1)])
    watched.add([abandonment(1), abandonment(2)])
    assert watched.counts == {"TIMEOUT": 2}


def test_the_latest_abandonments_are_shown():
    """Ten of them, the oldest gone; brackets in an id are no markup."""
    watched = Watched()
    watched.add([abandonment(number) for number in range(11)])
    watched.add([abandonment(99)._replace(journey_id="[red]journey[/red]")])
    text = shown(watched)
    assert "[red]journey[/red]" in text
    assert "journey-2 " in text
    assert "journey-1 " not in text
