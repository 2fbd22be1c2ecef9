"""Journeys that workers decide: the manager, producer and readers that use Kafka."""
