"""Workers as real processes on a real Kafka."""
