"""`bnrun`, and `python -m bnrun`."""

import atexit
import gc

from bnrun.run.signals import exit_on_signals


def main() -> None:
    """Start the command line. Ctrl-C works even while it is still being loaded."""
    exit_on_signals()
    # Objects made at start-up live on; collecting them would take a tenth of the start-up time.
    # A run and a sweep enable it again.
    gc.disable()
    # At the end memory goes with the process; a last collection takes most of a second with torch.
    atexit.register(gc.freeze)
    from bnrun.cli import main

    main()


if __name__ == "__main__":
    main()
