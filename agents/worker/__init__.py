"""The worker: a Faust app that applies batches of the input topic and publishes their effects."""
