"""What the output and the history say."""
