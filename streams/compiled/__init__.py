"""The same rule in the compiled engine, behind the protocols of a partition and a processor."""
