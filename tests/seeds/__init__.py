"""The figures of the five notebooks: each made by one call of diag, and looked at."""
