"""Tests, in the order of the rooms; cross-cutting ones (chaos, simulation, fuzz, ...) in folders of their own."""
