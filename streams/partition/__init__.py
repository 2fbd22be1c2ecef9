"""One partition: its state, deadline index, processor, and the driver that replays a log through them."""
