"""What the parts of a worker ask of each other: protocols of a few calls, and how a worker ends."""
