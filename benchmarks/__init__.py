"""How fast the worker is, next to other ways to do the same work; `make bench`."""
