"""Lets `python -m edgits` run the command line."""

from edgits.cli import main

main()
