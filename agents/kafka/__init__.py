"""Kafka clients: connection, rights, topics, log reader, record producer, schema registry."""
