"""Tests of the trainer's API."""
