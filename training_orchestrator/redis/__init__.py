"""Redis: its address, the names of its keys, the stream of abandonments."""
