"""Broken input: a table of what goes wrong with files, options and places, and what each command says of it."""
