"""Frozen results in, pictures out. No statistics here."""
