"""Journeys as offline datasets: Parquet files for training."""
