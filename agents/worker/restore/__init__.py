"""The worker's journey table: its restore from the changelog, and its copy on local disk."""
