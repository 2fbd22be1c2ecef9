"""Journeys that this process decides: the rule over a log in SQLite."""
