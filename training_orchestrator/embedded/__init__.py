"""The embedded backend: the rule over a log in SQLite, in the trainer's own process."""
