"""A process that may die: strangers' files are read, and their networks run, behind a socket and under limits."""
