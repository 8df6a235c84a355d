"""The one class of errors that are the user's to fix. Without torch, so that it loads at once."""


class UserError(ValueError):
    """A wrong config, wrong data or a full disk; its message is one sentence.

    It is reported without a traceback. Every other exception is a bug, of this package or of the
    user's own code, and is reported with one.
    """
