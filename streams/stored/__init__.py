"""The journey table as it is stored: rows, their schemas, and the way back from the changelog."""
