"""Servers for development and tests, as processes of this machine on loopback: Kafka, Redis, and what they need."""
