"""Copies the input log into new topics: with another number of partitions, or on another cluster."""
