"""The command line: speaks HTTP like everybody else, and starts the parts one by one or all at once."""
