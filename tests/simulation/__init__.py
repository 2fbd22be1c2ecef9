"""Crash simulation: the real core and table on an in-memory log, with workers that stop at any single step."""
