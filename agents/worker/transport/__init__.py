"""The worker's consumer and producer: batches in, record batches out."""
