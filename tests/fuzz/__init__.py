"""Fuzzing: files changed by chance are given to every reader. Only a `DiagError` may come out."""
