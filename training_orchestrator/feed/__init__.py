"""The feed: abandonments, corrections and conversions as rewards, each once."""
