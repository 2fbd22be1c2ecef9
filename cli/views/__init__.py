"""What commands print of larger results: tables, summaries and texts."""
