"""Hostile files, made by code: what each tries, how it is fed, and the harness that looks at what happens."""
