"""The feed of rewards: abandonments, corrections and conversions, each once."""
