"""The demonstration: made-up and recorded touchpoints, and the program of `journeys demo`."""
