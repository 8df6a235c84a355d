"""Collect every score of every seed of finished runs into one small CSV file.

python docs/build/collect.py docs/results/r2rt.csv outputs/r2rt --splits validation test

Exit status 1 if the folders hold no finished run.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from raw_results import collect


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the CSV file. Returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        rows = collect(options.file, options.paths, options.splits, options.curves)
    except (ValueError, OSError) as error:
        print(f"collect: {error}", file=sys.stderr)
        return 1
    print(f"{options.file}: {rows} rows")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, metavar="FILE.csv", help="e.g. docs/results/r2rt.csv")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="folders of runs")
    parser.add_argument(
        "--splits", nargs="+", default=(), help="only these, e.g. test gradients (default: all)"
    )
    parser.add_argument(
        "--curves",
        nargs="+",
        default=(),
        metavar="SCORE/WAY",
        help="scores to take at every step where they were evaluated, e.g. accuracy/sampled",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
