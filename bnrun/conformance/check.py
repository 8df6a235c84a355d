"""`bnrun-check`: is an estimator, configured or your own, what it says it is?"""

import argparse
import sys
import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from bnrun.config.errors import UserError, sentence

EPILOG = """\
examples:
  bnrun-check disarm
  bnrun-check my_module.MyEstimator samples=4
  bnrun-check path/to/file.py:MyEstimator --neuron dbn

exit status: 0 checked; 1 it claims `unbiased = True` and is not; 2 it could not be checked
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point `bnrun-check`. Returns the exit status."""
    options = _parser().parse_args(arguments)
    # Only now: help and mistakes in the arguments must not wait for torch.
    import torch

    from bnrun.conformance.measurement import ContractError
    from bnrun.conformance.report import check
    from bnrun.conformance.target import load

    # More threads only get in each other's way on nets this small.
    torch.set_num_threads(1)
    try:
        return check(load(options.target, options.fields, options.neuron, options.config_dir))
    except (UserError, ContractError) as error:
        print(f"bnrun-check: {sentence(error)}", file=sys.stderr)
    except Exception as error:
        # It is their code that raised: they need to see where.
        theirs = _from_their_code_on(error.__traceback__)
        traceback.print_exception(error.with_traceback(theirs), chain=False)
        print(f"bnrun-check: {options.target} raised {type(error).__name__}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "bnrun-check",
        description="Compare an estimator's gradients with the exact ones on small nets.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "target", help="name in configs/estimator, module.Class, or path/to/file.py:Class"
    )
    parser.add_argument("fields", nargs="*", metavar="key=value", help="fields of the estimator")
    parser.add_argument("--neuron", default="sbn", help="binary neuron: sbn (default) or dbn")
    parser.add_argument("--config-dir", type=Path, help="a folder of own configs to search as well")
    return parser


def _from_their_code_on(place: TracebackType | None) -> TracebackType | None:
    """The part of a traceback from the first frame in code that is not installed."""
    installed = (sysconfig.get_path(kind) for kind in ("stdlib", "purelib", "platlib"))
    others = (str(Path(__file__).parents[1]), "<frozen", *installed)
    start = place
    while place is not None:
        if not place.tb_frame.f_code.co_filename.startswith(others):
            return place
        place = place.tb_next
    return start


if __name__ == "__main__":
    sys.exit(main())
