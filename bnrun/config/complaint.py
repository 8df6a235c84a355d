"""Reporting an exception on standard error: a sentence for a mistake, a traceback for a bug."""

import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bnrun.config.bug import short_traceback, whose
from bnrun.config.errors import FULL, UserError, is_mistake
from bnrun.config.sentence import sentence


@contextmanager
def mistakes() -> Iterator[None]:
    """While the block runs, every mistake becomes a UserError; a bug stays what it is."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if is_mistake(error):
            raise UserError(sentence(error)) from error
        raise


@contextmanager
def mistakes_in_value(key: str, name: str) -> Iterator[None]:
    """While the block runs, a mistake in `estimator` is reported as one in the value of `key`.

    name  of the estimator
    """
    try:
        yield
    except Exception as error:
        if not is_mistake(error):
            raise
        rule = re.sub(rf"^estimator(\.|: |={re.escape(name)}: )", "", sentence(error))
        raise UserError(f"{key}={name}: {rule}") from error


def complain(error: BaseException, log: Path | None = None) -> None:
    """Print what is wrong.

    log  of the run, which has the whole traceback of a bug
    """
    if FULL in os.environ:
        text = "".join(traceback.format_exception(error)).rstrip()
    elif is_mistake(error):
        text = f"bnrun: {sentence(error)}"
    else:
        place = f"in {log} and " if log is not None and log.exists() else ""
        text = f"{short_traceback(error)}bnrun: {whose(error)} (all calls: {place}with "
        text += "HYDRA_FULL_ERROR=1)"
    print(text, file=sys.stderr)
