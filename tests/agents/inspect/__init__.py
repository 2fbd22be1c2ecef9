"""Tests of what people look at by hand."""
