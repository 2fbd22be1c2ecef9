"""Operations on the file of an embedded manager for the command line: show, commands, check."""
