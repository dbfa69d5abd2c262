"""A process that may die: strangers' files are read, and their networks run, behind a socket and under limits."""

from diag.worker.state import inside, isolated

__all__ = ["inside", "isolated"]
