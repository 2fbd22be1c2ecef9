"""One module for each command of `journeys`, or for a group of them; `journeys.cli.main` lists them."""
