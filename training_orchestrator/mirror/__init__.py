"""The mirror: copies journeys and abandonments to Redis for other readers."""
