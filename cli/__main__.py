"""`python -m journeys.cli`: the same as `journeys`, under the Python that runs it."""

from journeys.cli.main import run

run()
