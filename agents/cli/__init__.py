"""The command line `journeys`."""
