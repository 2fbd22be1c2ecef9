"""Tests of files, imports and exports."""
