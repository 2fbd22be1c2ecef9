"""Looks at files of others: what they hold, what it probably means, and a mapping that says so."""
