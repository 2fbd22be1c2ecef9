"""The same work done by other systems, side by side; `make bench-peers`."""
