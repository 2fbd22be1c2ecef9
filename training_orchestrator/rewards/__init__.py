"""Rewards and the steps that earned them: ledger, credit, environments, datasets."""
