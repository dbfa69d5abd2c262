"""Checks: what is wrong with a model, its data, or the two together. One file a check."""
