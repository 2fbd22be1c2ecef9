"""The protocol between a manager and its two backends, and what both of them share: requests, counts, updates."""
