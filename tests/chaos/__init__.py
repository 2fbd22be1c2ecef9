"""Chaos on the real thing: a Kafka and workers of its own, under load, and a seeded hand that strikes them."""
