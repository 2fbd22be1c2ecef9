"""RLlib reads and learns from what `export_dataset` writes: `make check-rllib`."""
