"""Properties of the processor and the table: what may be cut, interrupted or thinned out without a trace."""
