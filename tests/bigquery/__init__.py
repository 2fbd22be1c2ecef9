"""BigQuery: tables, the sink, the connector; against an emulator as a process."""
