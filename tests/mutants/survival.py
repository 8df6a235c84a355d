"""Whether a mutant survives its tests, in a fork of this process."""

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import time
from pathlib import Path

from mutants.changes import PACKAGE, Mutant

SECONDS = 600.0
BROKEN = 70
"""Exit status of a fork in which pytest could not start; 4 and 5 are pytest's own for that."""


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Gives one module of the package another source."""

    def __init__(self, mutant: Mutant) -> None:
        self._name = "bnrun." + mutant.path.replace("/", ".")
        self._path = str(PACKAGE / f"{mutant.path}.py")
        self._source = mutant.source

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=self)

    def get_filename(self, fullname: str) -> str:
        return self._path

    def get_data(self, path: str) -> bytes:
        return self._source.encode()


def survives(mutant: Mutant) -> bool:
    """Whether all its tests pass, in a fork of this process."""
    if not loads(mutant.path, tuple(mutant.tests)):
        raise RuntimeError(f"the tests of {mutant.path} cannot be loaded without any change")
    return passes(mutant)


@functools.cache
def loads(path: str, tests: tuple[str, ...]) -> bool:
    """Whether the tests of a file can be loaded with its own source: else all would seem killed."""
    same = Mutant(path, 0, "", "", (PACKAGE / f"{path}.py").read_text())
    return passes(same, "--collect-only")


def passes(mutant: Mutant, *words: str) -> bool:
    """Whether pytest with these words finds no failure, in a fork of this process."""
    child = os.fork()
    if child == 0:
        os.setsid()
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        # Whatever happens, this process must not go on to the next mutants.
        try:
            sys.meta_path.insert(0, _Changed(mutant))
            import pytest

            options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header"]
            # Its assertions need not be rewritten: it is loaded once for all forks.
            options += ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
            status = int(pytest.main([*options, *words, *mutant.tests]))
        except BaseException:
            status = BROKEN
        os._exit(status)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            # A mutant may break an import (2) or pytest itself (3), or kill the process.
            if code in (BROKEN, 4, 5):
                raise RuntimeError(f"pytest could not run the tests of {mutant.name} ({code})")
            return code == 0
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False
