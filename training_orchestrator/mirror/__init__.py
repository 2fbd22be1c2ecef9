"""The mirror: journeys and abandonments in Redis, for readers that want them there."""
