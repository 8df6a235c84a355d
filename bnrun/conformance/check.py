"""`bnrun-check`: does an estimator, configured or custom, do what it claims?"""

import argparse
import sys
import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from bnrun.config.errors import UserError
from bnrun.config.sentence import sentence

EPILOG = """\
examples:
  bnrun-check disarm
  bnrun-check my_module.MyEstimator samples=4
  bnrun-check path/to/file.py:MyEstimator --neuron dbn
  bnrun-check gaussian_st --noise normal
  bnrun-check path/to/file.py:arm_in_numpy

exit status: 0 checked; 1 it claims `unbiased = True` and is biased; 2 it could not be checked
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point `bnrun-check`. Returns the exit status."""
    options = _parser().parse_args(arguments)
    # Here, because --help and wrong arguments should not wait for torch.
    import torch

    from bnrun.conformance.report import check
    from bnrun.conformance.target import load
    from bnrun.estimators.tools.contract import ContractError

    # More threads are slower on nets this small.
    torch.set_num_threads(1)
    try:
        words = options.target, options.fields, options.neuron, options.config_dir, options.noise
        return check(load(*words))
    except (UserError, ContractError) as error:
        print(f"bnrun-check: {sentence(error)}", file=sys.stderr)
    except Exception as error:
        # An error in the user's code: show where.
        user_part = _from_user_code(error.__traceback__)
        traceback.print_exception(error.with_traceback(user_part), chain=False)
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
        "target",
        help="name in configs/estimator, module.Class, or path/to/file.py:Class; instead of a "
        "class also a function (logits, loss, draws, seed) that returns gradients, in NumPy or "
        "whatever else",
    )
    parser.add_argument("fields", nargs="*", metavar="key=value", help="fields of the estimator")
    parser.add_argument("--neuron", default="sbn", help="binary neuron: sbn (default) or dbn")
    parser.add_argument("--noise", default="logistic", help="logistic (default), normal or uniform")
    parser.add_argument("--config-dir", type=Path, help="a folder with your configs, searched too")
    return parser


def _from_user_code(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame that is neither in bnrun nor in an installed package."""
    installed = (sysconfig.get_path(kind) for kind in ("stdlib", "purelib", "platlib"))
    skipped = (str(Path(__file__).parents[1]), "<frozen", *installed)
    frame = trace
    while frame is not None:
        if not frame.tb_frame.f_code.co_filename.startswith(skipped):
            return frame
        frame = frame.tb_next
    return trace


if __name__ == "__main__":
    sys.exit(main())
