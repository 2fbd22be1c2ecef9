"""The work as a Bytewax dataflow."""
