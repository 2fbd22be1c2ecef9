"""Values of the public API: configuration, errors, abandonments, touchpoints, figures."""
