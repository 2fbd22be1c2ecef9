"""Contracts: Avro contracts, typed records, codec, topic map. Pure: no clock, no network."""
