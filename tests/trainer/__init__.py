"""Tests of the trainer's front door."""
