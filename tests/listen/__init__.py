"""The JSON door: what was answered 202 is in the topic once, whatever is killed, slow or sent."""
