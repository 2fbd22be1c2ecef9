"""Verification: outputs and stored rows compared with a replay of the input topic."""
