"""A second, slow and obvious implementation of the rule, to compare the real one with.

It shares no code with `schemas`, `streams` and `agents`, keeps no index and no running sums:
everything is computed again from full histories at each record.
"""
