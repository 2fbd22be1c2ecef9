"""Customer journeys that end: contracts, rule, worker, analytics and command line."""
