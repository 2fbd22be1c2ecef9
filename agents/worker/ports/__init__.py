"""Protocols by which the parts of a worker use each other, and how a worker ends."""
