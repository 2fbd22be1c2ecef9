"""Redis: URL, names of the keys, the stream of abandonments and the feed source that reads it."""
