"""A length of time in words."""


def duration(seconds: float) -> str:
    """A time to the nearest second, minute or tenth of an hour."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
