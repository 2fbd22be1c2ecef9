"""BigQuery: its tables, the way there, and an emulator of it for development."""
