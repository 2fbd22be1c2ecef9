"""The worker: a Faust app that applies the input topic's batches and publishes what they bring about."""
