"""The table of cases: what goes in, row by row, and all that comes out of it."""
