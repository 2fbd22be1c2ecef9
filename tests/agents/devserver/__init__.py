"""Tests of the development servers."""
