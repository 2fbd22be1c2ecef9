"""Files of others: their bytes become rows, whatever format, compression and encoding they have."""
