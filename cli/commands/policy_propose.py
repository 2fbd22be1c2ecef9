"""`journeys policy propose`: thresholds that a history asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from journeys.cli.command_line import CHECK_FAILED
from journeys.cli.files.history_input import AsLogged, Files, Map, Sort
from journeys.cli.instant import instant
from journeys.cli.options import HeldMemory, Json, Quiet
from journeys.cli.output import print_error, print_json, print_line, print_note
from journeys.schemas.instants import DAY_MS

if TYPE_CHECKING:
    from journeys.agents.history.timeout_proposal import ProposedPolicy
    from journeys.analytics.proposal import Request

# A policy's durations end at 100 years; a threshold and the horizon behind it must lie within.
_MOST_DAYS = 18_000.0
_PRICES = "--wrong-costs-days N, or --wrong-costs-dollars with --day-costs-dollars, or --wrong-at-most"


def propose(
    history: Files,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The proposed policy (TOML).")],
    horizon_days: Annotated[
        float,
        typer.Option(metavar="DAYS", help="An abandonment is wrong if the journey comes back within so many days."),
    ],
    *,
    mapping: Map = None,
    sort: Sort = False,
    as_logged: AsLogged = False,
    wrong_costs_days: Annotated[
        float | None, typer.Option(metavar="N", help="Price: how many days of waiting one wrong abandonment is worth.")
    ] = None,
    wrong_costs_dollars: Annotated[
        float | None, typer.Option(metavar="DOLLARS", help="The same in dollars: what a wrong abandonment costs.")
    ] = None,
    day_costs_dollars: Annotated[
        float | None, typer.Option(metavar="DOLLARS", help="What a day of waiting costs.")
    ] = None,
    wrong_at_most: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Promise: the largest share of wrong abandonments, as 0.25.")
    ] = None,
    confidence: Annotated[
        float, typer.Option(metavar="SHARE", help="With which the promises of all segments together hold.")
    ] = 0.95,
    train_until: Annotated[
        int | None,
        typer.Option(
            parser=instant,
            metavar="INSTANT",
            help="Learn only from what lies before it, and judge on what follows; RFC 3339 or epoch milliseconds.",
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The policy in force (TOML), to compare with; what is no deadline is kept."),
    ] = None,
    version: Annotated[
        str | None, typer.Option(metavar="NAME", help="Version of the proposed policy [from date and price].")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a page: thresholds against shares and waiting.")
    ] = None,
    memory: HeldMemory = 1024,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Propose inactivity thresholds by segment, from the silences of a history.

    Either at a price (how much waiting one wrong abandonment is worth), or with a promise (at most so large a share is
    wrong, with a confidence). The policy file says in comments what was seen. In the same run the history is cut: a
    proposal from its earlier part is judged on the later silences, next to other thresholds.

    Exits with 1, and writes nothing, where a promise is refused in every segment. Needs the compiled engine.
    """
    from journeys.agents.files.whole_file import require_writable, whole_file
    from journeys.agents.history.timeout_proposal import propose_policy
    from journeys.agents.settings.policy_file import load_policy
    from journeys.cli.files.output_names import require_different
    from journeys.cli.files.packed_input import packed_input
    from journeys.cli.views.proposal_text import proposal_json, proposal_toml, refusals
    from journeys.streams.rule.policy import DEFAULT_POLICY

    request = _request(
        horizon_days, wrong_costs_days, wrong_costs_dollars, day_costs_dollars, wrong_at_most, confidence
    )
    require_different({"--output": output, "--html": html})
    for path in (output, html):
        if path is not None:
            require_writable(path, history)
    present = DEFAULT_POLICY if policy is None else load_policy(policy)
    with packed_input(
        history,
        mapping=mapping,
        sort=sort,
        as_logged=as_logged,
        memory=memory,
        quiet=quiet,
        what="journeys policy propose",
    ) as packed:
        made = propose_policy(packed, request, present, version, train_until=train_until)
    if not made.proposal.is_refused:
        with whole_file(output) as partial:
            partial.write_text(proposal_toml(made), "utf-8")
    if html is not None:
        from journeys.analytics.threshold_page import threshold_page

        with whole_file(html) as partial:
            partial.write_text(threshold_page(made.proposal, made.present), "utf-8")
    if as_json:
        print_json(proposal_json(made))
    else:
        _print(made)
    for line in refusals(made):
        print_error(line)
    if made.proposal.is_refused:
        print_error(f"no segment keeps the promise: nothing was written to {output}")
        raise typer.Exit(CHECK_FAILED)
    print_note(f"{output}: policy {made.policy.version}; `journeys policy set {output}`", quiet=quiet or as_json)


def _print(made: ProposedPolicy) -> None:
    from journeys.cli.screen import Screen
    from journeys.cli.views.backtest_table import comparison
    from journeys.cli.views.proposal_text import asked_for, check_table, segment_table

    screen = Screen()
    print_line(f"asked for: {asked_for(made.proposal.request)}")
    print_line()
    screen.print(segment_table(made))
    print_line()
    screen.print(comparison([made.policy, made.present], [made.tally, made.present_tally]))
    print_line()
    if made.check is None:
        print_line("not checked by time: the history is not longer than the horizon")
    else:
        screen.print(check_table(made.check, made.proposal.request))


def _request(
    horizon_days: float,
    wrong_costs_days: float | None,
    wrong_costs_dollars: float | None,
    day_costs_dollars: float | None,
    wrong_at_most: float | None,
    confidence: float,
) -> Request:
    from journeys.analytics.proposal import Request

    horizon_ms = _milliseconds("--horizon-days", horizon_days)
    in_dollars = wrong_costs_dollars is not None or day_costs_dollars is not None
    if [wrong_costs_days is not None, in_dollars, wrong_at_most is not None].count(True) != 1:
        raise typer.BadParameter(f"say what is wanted, once: {_PRICES}")
    if wrong_at_most is not None:
        for name, share in (("--wrong-at-most", wrong_at_most), ("--confidence", confidence)):
            if not 0 < share < 1:
                raise typer.BadParameter(f"{name}: {share:g}, expected a share between 0 and 1, such as 0.25")
        return Request(horizon_ms, wrong_at_most=wrong_at_most, confidence=confidence)
    if wrong_costs_days is None:
        if wrong_costs_dollars is None or day_costs_dollars is None:
            raise typer.BadParameter("--wrong-costs-dollars and --day-costs-dollars go together")
        for name, dollars in (
            ("--wrong-costs-dollars", wrong_costs_dollars),
            ("--day-costs-dollars", day_costs_dollars),
        ):
            if not 0 < dollars < float("inf"):
                raise typer.BadParameter(f"{name}: {dollars:g}, expected dollars above 0")
        wrong_costs_days = wrong_costs_dollars / day_costs_dollars
        return Request(horizon_ms, price_ms=float(_milliseconds("--wrong-costs-dollars", wrong_costs_days)))
    return Request(horizon_ms, price_ms=float(_milliseconds("--wrong-costs-days", wrong_costs_days)))


def _milliseconds(name: str, days: float) -> int:
    if not 0 < days <= _MOST_DAYS or days * DAY_MS < 1:
        raise typer.BadParameter(f"{name}: {days:g} days, expected more than 0 and at most {_MOST_DAYS:,.0f}")
    return round(days * DAY_MS)
