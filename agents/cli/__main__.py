"""`python -m agents.cli`: the same as `journeys`, under the Python that runs it."""

from agents.cli.main import run

run()
