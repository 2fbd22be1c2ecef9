"""Kafka with TLS, SCRAM and an authorizer: who gets in, what each role may do, and what nobody sees."""
