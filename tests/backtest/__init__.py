"""Backtests, next to the reference."""
