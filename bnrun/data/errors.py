"""The error of data; without torch, so that whatever only downloads files starts at once."""


class DataError(ValueError):
    """Data is missing, damaged or not what it should be; the message is one sentence."""
