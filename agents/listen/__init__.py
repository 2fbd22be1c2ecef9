"""The JSON door for producers: records by HTTP, or of a topic of JSON, onto the input topic, once for each id."""
