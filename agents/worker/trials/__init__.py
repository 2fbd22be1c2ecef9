"""Trials: records that may kill a worker are tried in a process of their own before the worker takes them."""
