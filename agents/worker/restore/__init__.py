"""The worker's journey table: restore from the changelog, and the copy on local disk."""
