"""`python -m bnrun` is `bnrun`."""

from bnrun.cli import main

main()
