"""The rule: facts, decide, evolve, penalty, policy, and what is published of them."""
