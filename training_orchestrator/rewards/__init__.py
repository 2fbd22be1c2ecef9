"""Rewards of a trainer's steps: credit by action, ledger, Gymnasium wrapper, steps of a log."""
