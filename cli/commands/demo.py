"""`journeys demo`: a clickstream through a real Kafka and real workers, verified by replay."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from journeys.cli.command_line import CHECK_FAILED
from journeys.cli.options import Quiet, settings_of
from journeys.cli.output import print_error, print_line

if TYPE_CHECKING:
    from journeys.agents.demo.demonstration import Demonstration
    from journeys.agents.demo.ecom import EcomMapping
    from journeys.agents.history.importer import ImportReport
    from journeys.cli.screen import Screen
    from journeys.cli.views.demo_screen import DemoScreen

_LOOKED_EVERY_SECONDS: Final = 0.25
_SECOND_WORKER_SECONDS: Final = 10.0
_APPLIED_WITHIN_SECONDS: Final = 90.0


class Plan(NamedTuple):
    """What the demo plays: the clickstream under a mapping, with `made` journeys beside it, in `seconds`."""

    mapping: EcomMapping
    made: int
    seed: int
    seconds: float
    second_worker: bool


def demo(
    mapping: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Which event means which state, and what touchpoints cost (TOML) [default: built in]."
        ),
    ] = None,
    made: Annotated[int, typer.Option(min=0, metavar="N", help="How many generated journeys to add.")] = 160,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the generated journeys.")] = 1,
    seconds: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How long six months take.")] = 15.0,
    second_worker: Annotated[
        bool, typer.Option("--second-worker", help="Start a second worker in mid-run, and stop it again.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Watch six months of a clickstream time out, fall silent, convert and return, in seconds.

    Starts a Kafka and a worker of its own, imports the clickstream ecom of the package retentioneering and
    some generated journeys, and shows what is published. Then a replay of the input topic is compared
    with what the worker published. Exits with 1 if they differ. Leaves nothing behind.
    """
    import signal

    from journeys.agents.demo.demonstration import Demonstration
    from journeys.agents.demo.ecom import load_mapping
    from journeys.agents.verify.verification import verify
    from journeys.cli.commands.verify import print_report
    from journeys.cli.operation import run_operation
    from journeys.cli.screen import Screen
    from journeys.cli.views.demo_screen import DemoScreen

    plan = Plan(load_mapping(mapping), made, seed, seconds, second_worker)
    screen = Screen()

    def note(text: str) -> None:
        if not quiet:
            screen.print(text)

    # Ended from outside, the demo takes its broker and its workers with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Demonstration(settings_of(application_id="journeys-demo"), say=note) as stage:
        note(f"Kafka answers at {stage.settings.bootstrap_servers}")
        shown = DemoScreen(stage, quiet=quiet)
        report = run_operation(_play(stage, shown, plan, screen))
        shown.print_summary(report, screen)
        verified = run_operation(verify(stage.settings))
        print_report(verified)
    if not verified.ok:
        print_error("live and replay differ")
        raise typer.Exit(CHECK_FAILED)
    print_line("A replay of the input topic gives exactly what the worker published.")


async def _play(stage: Demonstration, shown: DemoScreen, plan: Plan, screen: Screen) -> ImportReport:
    """Run until all that was imported is applied, and all that was published is seen."""
    import asyncio
    import time

    await stage.make_topics()
    stage.start_worker("worker-1")
    with shown.drawn(screen):
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(shown.watch())
            drawing = tasks.create_task(shown.draw())
            # In a thread with a loop of its own: the pace is kept by sleeping between lines.
            history = stage.write_history(plan.mapping, made=plan.made, seed=plan.seed, seconds=plan.seconds)
            writing = tasks.create_task(asyncio.to_thread(asyncio.run, history))
            if plan.second_worker:
                await _run_second_worker(stage, plan.seconds)
            report: ImportReport = await writing
            began = time.monotonic()
            while not (await stage.is_applied() and await shown.has_seen_all()):
                stage.check_workers(has_time=time.monotonic() - began < _APPLIED_WITHIN_SECONDS)
                await asyncio.sleep(_LOOKED_EVERY_SECONDS)
            drawing.cancel()
            watching.cancel()
    return report


async def _run_second_worker(stage: Demonstration, seconds: float) -> None:
    """Start a second worker and stop it while the history is being written."""
    import asyncio

    await asyncio.sleep(seconds / 4)
    second = stage.start_worker("worker-2")
    await asyncio.sleep(max(seconds / 2, _SECOND_WORKER_SECONDS))
    await asyncio.to_thread(stage.stop_worker, second)
