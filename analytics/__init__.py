"""What is asked: tables, views and reports over the output topics."""
