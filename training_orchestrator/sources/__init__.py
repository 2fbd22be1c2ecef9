"""Sources of a feed's records and of a dataset's log: topics, files, stores."""
