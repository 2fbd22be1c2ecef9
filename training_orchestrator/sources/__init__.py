"""Where logs and outputs are read from: topics, files, stores, Redis."""
