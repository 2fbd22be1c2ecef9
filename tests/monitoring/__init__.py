"""Tests of alerts and dashboard, with Prometheus's own promtool."""
