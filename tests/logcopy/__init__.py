"""Tests of the copying of input logs into new topics."""
