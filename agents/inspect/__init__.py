"""Inspection by people: journeys, policies in force, dead letters, audit records."""
