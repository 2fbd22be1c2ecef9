"""The connected backend: a manager and a producer over Kafka, where workers decide."""
