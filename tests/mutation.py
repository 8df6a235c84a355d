"""Changes one line of the package at a time and runs the tests that should notice.

    python tests/mutation.py                       about 200 mutants, two at a time
    python tests/mutation.py --only core/noise     those of files whose path has these words
    python tests/mutation.py --list                what would be changed, nothing is run

A mutant is a small change of one expression: `<` becomes `<=`, `+` becomes `-`, 0.5 becomes 0.525,
`.mean(0)` becomes `.sum(0)`, a `.detach()` goes. Which ones are drawn depends on the text of the
files alone. A mutant is killed if a test fails, or if the tests take too long. What survives needs
a new test, or its reason in mutants/equivalent.py.

Each mutant runs in a fork of a process that has loaded the libraries but not the package, so that
one costs little more than its tests. Tests that start a command of their own see the unchanged
package.
"""

import argparse
import concurrent.futures
import os
import sys
import time

from mutants.changes import ROOT, drawn
from mutants.survival import survives


def main() -> int:
    """Exit status 1 if a mutant survives."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="part of a path in the package")
    parser.add_argument("--list", action="store_true", help="run nothing")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time (default: 2)")
    options = parser.parse_args()
    mutants = [mutant for mutant in drawn() if options.only in mutant.path]
    if options.list:
        for mutant in mutants:
            print(f"{mutant.path}:{mutant.line}: {mutant.before.strip()} -> {mutant.after.strip()}")
        print(f"{len(mutants)} mutants")
        return 0
    sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "docs" / "build")]
    os.chdir(ROOT)
    # What takes seconds to import, once for all forks; the package itself must not be among it.
    import hypothesis
    import polars
    import pytest
    import scipy.stats
    import tensorboard.compat.proto.event_pb2
    import torch
    import torch.utils.tensorboard

    assert all([hypothesis, polars, pytest, scipy, tensorboard])
    assert not any(name.split(".")[0] == "bnrun" for name in sys.modules)
    torch.set_num_threads(1)
    survivors = []
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for mutant, alive in zip(mutants, pool.map(survives, mutants), strict=True):
            if alive:
                survivors.append(mutant)
            seconds, word = time.monotonic() - began, "SURVIVED" if alive else "killed"
            print(f"{seconds:5.0f} s {word} {mutant.path}:{mutant.line} {mutant.name}", flush=True)
    killed = len(mutants) - len(survivors)
    print(f"{killed} of {len(mutants)} mutants killed ({killed / len(mutants):.1%})")
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main())
