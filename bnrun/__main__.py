"""`bnrun`, and `python -m bnrun`."""

from bnrun.jobs.signals import leave_at_once


def main() -> None:
    """Start the command line; Ctrl-C is heard before it has loaded what it needs."""
    leave_at_once()
    from bnrun.cli import main

    main()


if __name__ == "__main__":
    main()
