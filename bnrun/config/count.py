"""A number with its noun."""


def number_of(number: int, noun: str) -> str:
    """E.g. 1 job, 2 jobs."""
    return f"{number} {noun}" + "s" * (number != 1)
