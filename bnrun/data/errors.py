"""The error of data; without torch, so that whatever only downloads files starts at once."""

from bnrun.core.errors import UserError


class DataError(UserError):
    """Data is missing, damaged or not what it should be; the message is one sentence."""
