"""The error of data; without torch, so that whatever only moves files starts at once."""


class DataError(ValueError):
    """Data that is missing, damaged or not what it should be; one sentence for the user."""
