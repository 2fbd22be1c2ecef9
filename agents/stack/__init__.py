"""The local stack: schema registry, BigQuery emulator and Kafka Connect beside the development broker."""
