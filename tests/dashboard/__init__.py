"""The local page: its figures, the time machine, what it lets in and out."""
