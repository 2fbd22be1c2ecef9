"""Tests of README and docs: what they say is run."""
