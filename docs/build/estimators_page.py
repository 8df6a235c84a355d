"""Write docs/estimators.md, its figures, and README's table of estimators.

python docs/build/estimators_page.py                   measure what is new or changed, then write
python docs/build/estimators_page.py --measure disarm  measure disarm again in any case

Measuring takes some seconds per estimator. The time of a step is that of this machine; all other
numbers come out the same everywhere.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import catalogue
import measurements
import torch
from estimators_markdown import Catalogue, page
from estimators_table import with_table

from bnrun.recording.files import replaced

COMMAND = "python docs/build/estimators_page.py"
DOCS = Path(__file__).parents[1]
PAGE, README = DOCS / "estimators.md", DOCS.parent / "README.md"

entry = cache(catalogue.entry)


def out_of_date() -> list[str]:
    """What the command would do, a line for each estimator or file; empty if nothing."""
    entries = map(entry, catalogue.names())
    reasons = {one.name: measurements.reason_to_measure(one) for one in entries}
    lines = [f"estimator {name}: {reason}" for name, reason in reasons.items() if reason]
    lines += [f"{path.name}: no such estimator" for path in _leftovers()]
    if not lines:
        lines = [f"{path.name}: differs" for path, text in _texts() if path.read_text() != text]
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages. Returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--measure",
        nargs="+",
        metavar="NAME",
        default=[],
        choices=catalogue.names(),
        help="measure these again, though nothing has changed",
    )
    again = parser.parse_args(arguments).measure
    torch.set_num_threads(1)
    for one in map(entry, catalogue.names()):
        reason = "as asked" if one.name in again else measurements.reason_to_measure(one)
        if reason:
            print(f"measuring {one.name}: {reason}", file=sys.stderr)
            measurements.store(one)
    for path in _leftovers():
        path.unlink()
    for path, text in _texts():
        with replaced(path) as file:
            file.write(text.encode())
        print(f"written: {path}")
    return 0


def _texts() -> list[tuple[Path, str]]:
    """The pages and what they should say."""
    entries: Catalogue = {entry(name): measurements.read(name) for name in catalogue.names()}
    return [(PAGE, page(entries)), (README, with_table(README.read_text(), entries))]


def _leftovers() -> list[Path]:
    """Files of estimators that are not configured any more."""
    known = catalogue.names()
    return [path for path in sorted(measurements.FOLDER.iterdir()) if path.stem not in known]


if __name__ == "__main__":
    sys.exit(main())
