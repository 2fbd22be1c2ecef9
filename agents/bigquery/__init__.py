"""BigQuery: deployment of tables and views, the sink, loads and archives."""
