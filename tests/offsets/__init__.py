"""The real offset bookkeeping of the batch transport on an in-memory log in place of the aiokafka thread below it."""
