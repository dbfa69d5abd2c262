"""``python -m diag`` is the command line."""

from diag.cli import main

main()
