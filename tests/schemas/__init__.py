"""Tests of the contracts and codec."""
