"""Who acts: Faust worker, broker for development, files, command line. All I/O lives here."""
