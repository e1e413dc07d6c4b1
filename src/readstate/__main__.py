"""`python -m readstate`."""

from readstate.cli import main

main(prog_name="readstate")
