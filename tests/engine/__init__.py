"""The compiled engine, next to the reference."""
