"""The worker's way from and to Kafka: batches in, record batches out."""
