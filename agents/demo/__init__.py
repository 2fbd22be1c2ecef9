"""The demonstration: generated and recorded touchpoints, and what `journeys demo` runs."""
