"""What people look at by hand: journeys, policies in force, dead letters, audits."""
