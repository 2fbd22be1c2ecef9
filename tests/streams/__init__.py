"""Tests of the rule and the partition."""
