"""Tests of what acts, package by package."""
