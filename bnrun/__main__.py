"""`bnrun`, and `python -m bnrun`."""

import atexit
import gc

from bnrun.run.signals import leave_at_once


def main() -> None:
    """Start the command line; Ctrl-C is heard before it has loaded what it needs."""
    leave_at_once()
    # What is made while starting up stays; looking for garbage in it takes a tenth of the time.
    # A run and a sweep turn it on again.
    gc.disable()
    # What is there at the end goes with the process; looking for garbage in it takes most of a
    # second where torch was loaded.
    atexit.register(gc.freeze)
    from bnrun.cli import main

    main()


if __name__ == "__main__":
    main()
