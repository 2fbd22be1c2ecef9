"""What a running process tells those who watch it: over HTTP, whether it lives, whether it works, and its figures."""
