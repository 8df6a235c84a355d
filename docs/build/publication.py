"""Raw results, and the page made of them: python docs/build/publication.py collect|publish."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def collect_command(words: Sequence[str]) -> int:
    """Raw scores of runs into a CSV; exit status 1 if there are none."""
    from raw import collect

    parser = argparse.ArgumentParser(
        prog="publication.py collect",
        description="Write every score of every seed of finished runs into one small CSV file.",
    )
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
        help="these at every step at which they were evaluated, e.g. accuracy/sampled",
    )
    options = parser.parse_args(words)

    def work() -> str:
        number = collect(options.file, options.paths, options.splits, options.curves)
        return f"{options.file}: {number} rows"

    return _said("collect", work)


def publish_command(words: Sequence[str]) -> int:
    """The page of a folder of raw results; exit status 1 if they do not fit together."""
    from results_page import publish

    parser = argparse.ArgumentParser(
        prog="publication.py publish",
        description="Write <folder>.md from the <recipe>.csv and <recipe>.yaml in a folder.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="e.g. docs/results")
    options = parser.parse_args(words)
    return _said("publish", lambda: f"written: {publish(options.folder)}")


def _said(name: str, work: Callable[[], str]) -> int:
    try:
        print(work())
    except (ValueError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    """`collect` or `publish`, by the first word."""
    commands = {"collect": collect_command, "publish": publish_command}
    return commands[sys.argv[1]](sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
