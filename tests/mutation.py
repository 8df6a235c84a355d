"""Changes one line of the package at a time and runs the tests that should notice.

    python tests/mutation.py                       about 200 mutants, two at a time
    python tests/mutation.py --only core/noise     those of files whose path has these words
    python tests/mutation.py --list                what would be changed, nothing is run

A mutant is a small change of one expression: `<` becomes `<=`, `+` becomes `-`, 0.5 becomes 0.55,
`.mean(0)` becomes `.sum(0)`, a `.detach()` goes. Which ones are drawn depends on the text of the
files alone. A mutant is killed if a test fails, or if the tests take too long. What survives needs
a new test, or its reason in `EQUIVALENT`.

Each mutant runs in a fork of a process that has loaded the libraries but not the package, so that
one costs little more than its tests. Tests that start a command of their own see the unchanged
package.
"""

import argparse
import ast
import concurrent.futures
import contextlib
import functools
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "bnrun"
SECONDS = 600.0
BROKEN = 70
"""Exit status of a fork in which pytest could not start; 4 and 5 are pytest's own for that."""

STRAIGHT_THROUGH = ("straight_through", "reinmax", "sigmoid_st")
RELAXATIONS = ("relaxation_gradients", "relaxations", "latents")
NOISE_LAWS = ("noise_laws", "noise_law_straight_through", "noise_law_relaxations")
LEARNED = ("learned", "baselines")
SITES = ("sites", "sites_and_modules")
SHARED = ("shared", "shared_runs")
ESTIMATORS = (
    *("unbiased", *STRAIGHT_THROUGH, *RELAXATIONS, "control_variates", *LEARNED),
    "conformance::test_config_selects_itself_and_has_the_defaults_of_its_class",
    "estimators_page::test_docstring_says_forward_backward_exact_cost_and_source",
)
REHEARSAL = ("rehearsal_weights", "rehearsal_buffers", "rehearsal_tasks", "rehearsal")
GAN = ("gan_games", "gan_critic", "gan_nets", "gan")
VAE = ("vae_enumerated", "pixels", "vae")
DATA_CHECKS = ("data_checks", "data_array_values", "data_of_tasks")
CONTRACT = ("contract", "contract_autograd")
COMPARABLE = ("comparable", "comparable_ways", "comparable_seeds")
CONTEST = ("report_contest", "verdict_words", "report_page")
RECORDER = ("recorder", "recorder_charts", "recorder_hparams", "recorder_resume")
REPORT = ("report", "report_columns", "scores_table")
NEAR_MISSES = ("words::test_a_near_miss_names_what_was_meant",)
# Beginning of a path in the package -> the tests that should notice, the likeliest first: a file,
# or one test of it.
TESTS: dict[str, Sequence[str]] = {
    "estimators/tools/contract": CONTRACT,
    "estimators/tools": ("exact", *LEARNED, "control_variates", *RELAXATIONS, "unbiased"),
    "estimators/schedule": ("schedule",),
    "estimators/exact": ("exact",),
    "estimators/antithetic": ("flips", "exact", *ESTIMATORS),
    "estimators/bitflip": ("flips", *ESTIMATORS),
    "estimators/gapped_st": (*STRAIGHT_THROUGH, *ESTIMATORS),
    "estimators/mve": ("mve", *ESTIMATORS),
    "estimators/node_perturbation": ("node_perturbation", *ESTIMATORS),
    "estimators/noise_law_st": (*NOISE_LAWS, *STRAIGHT_THROUGH, *ESTIMATORS),
    "estimators/reinmax_gumbel": ("reinmax_gumbel", *ESTIMATORS),
    "estimators/rescaled_st": ("rescaled_st", *ESTIMATORS),
    "estimators/rodeo": ("rodeo", *ESTIMATORS),
    "estimators/vimco": ("vimco",),
    "estimators": ("exact", *ESTIMATORS, "schedule"),
    "core/bengio_neurons": ("neurons",),
    "core/neurons": ("neurons", *STRAIGHT_THROUGH),
    "core/noise": ("noise", "philox", *CONTRACT),
    "core/laws": ("laws", *NOISE_LAWS),
    "core/network": (
        "module_gradients::test_the_units_of_all_uses_of_a_layer_stand_side_by_side",
        *("layers", "modules", "module_gradients", "module_refusals"),
    ),
    "core/sites": (*SITES, "binary"),
    "core/site_noise": (*SITES, "binary"),
    "core": ("layers", "replicas", "steps", "golden"),
    "kernels": ("philox", "layers"),
    "measurement/gradients": ("gradients",),
    "measurement/choice": ("instrument", "build"),
    "measurement": ("instrument", "observation", "evaluations", "gradients", *REHEARSAL),
    "training/compiled": ("compiled",),
    "training/rehearsal": REHEARSAL,
    "training/replicas": REHEARSAL,
    "training": (
        *("tally", "steps", "replicas", "checkpoint", "rates", "capture", "data_split"),
        *(*REHEARSAL, "golden", "options"),
    ),
    "tasks/gan": ("generated", *GAN, "data_of_tasks", "checkpoint"),
    "tasks/vae": (*VAE, "data_of_tasks"),
    "tasks/gated": ("gated",),
    "tasks/autoencoder": ("autoencoder", "codes"),
    "tasks/tools/codes": ("codes",),
    "tasks/toy": ("toy",),
    "tasks/structured": ("structured_prediction", "data_of_tasks"),
    "tasks": (
        *("classification", "evaluations", "structured_prediction", *VAE, "data_of_tasks"),
        *(*REHEARSAL, "golden"),
    ),
    "models/autoencoder": ("autoencoder", "codes"),
    "models/binary_weights": ("binary_weights", *SHARED),
    "models/logic": ("logic", *SHARED),
    "models/r": ("nets",),
    "models": ("layers", *VAE, "gated", "autoencoder", *GAN, "golden", "replicas"),
    "report/compare/comparable": COMPARABLE,
    "report/compare/field": (*COMPARABLE, *CONTEST, *REPORT, "groups"),
    "report/compare/group_means": ("groups",),
    "report/compare/power": ("power",),
    "report/compare/statistics": (*("statistics", "statistics_pairs", "statistics_simulated"),),
    "report/compare/tuning": ("fair", *COMPARABLE, "report_goals", *CONTEST),
    "report": (*CONTEST, "report_goals", "fair", *REPORT, "groups"),
    "recording/intervals": ("intervals",),
    "recording": ("metrics", *RECORDER, "result", "tags"),
    "data/arrays": ("data_arrays", *DATA_CHECKS, "data_kinds"),
    "data/array_file": ("data_arrays", *DATA_CHECKS, "data_kinds"),
    "data/checks": (*DATA_CHECKS, "data_kinds"),
    "data/base": ("data_split", *DATA_CHECKS),
    "data/batches": ("data_batches", "augment"),
    "data/amat": ("data_amat",),
    "data/augment": ("augment",),
    "data/cifar": ("data_cifar",),
    "data/omniglot": ("data_omniglot",),
    "data/download": ("data_download",),
    "data/files": ("data_idx", "data_download"),
    "data/idx": ("data_idx",),
    "data": ("data_batches", "data_split", "data_digits", "data_idx", "data_arrays"),
    "run/checkpoint": ("checkpoint",),
    "run/folder": ("cleaning", "damaged", "resume"),
    "run/identity": ("identity",),
    "run/resume": ("resume", "damaged"),
    "run/signs": ("shared_runs", "shared", "neurons"),
    "run/source": ("receipt",),
    "config/errors": ("bugs", "build", "texts"),
    "config/frames": ("bugs",),
    "config/near": ("words::test_the_nearest_name_is_meant", *NEAR_MISSES),
    "config/synonyms": ("synonyms",),
    "config/words": (
        "words::test_the_home_folder_is_meant_by_a_tilde",
        "words::test_flags_come_first_in_any_order",
        *NEAR_MISSES,
    ),
    "sweep/expansion": ("expansion",),
    "sweep/outcome": ("sweep_counts", "expansion"),
    "sweep/plan": ("expansion", "plan", "sweep_counts", "identity"),
}

# Where the drawn mutants are, and how many of each.
DRAWN: dict[str, int] = {
    "estimators/": 70,
    "estimators/antithetic": 4,
    "estimators/bitflip": 4,
    "estimators/gapped_st": 3,
    "estimators/mve": 4,
    "estimators/node_perturbation": 4,
    "estimators/noise_law_st": 3,
    "estimators/reinmax_gumbel": 4,
    "estimators/rescaled_st": 3,
    "estimators/rodeo": 5,
    "estimators/vimco": 5,
    "core/": 30,
    "core/laws": 8,
    "models/autoencoder": 5,
    "models/binary_weights": 5,
    "models/logic": 6,
    "tasks/autoencoder": 5,
    "tasks/tools/codes": 6,
    "config/synonyms": 1,
    "run/signs": 2,
    "measurement/": 25,
    "tasks/": 35,
    "training/": 15,
    "report/compare/": 20,
    "recording/intervals": 5,
    "data/": 20,
    "run/checkpoint": 8,
    "run/folder": 6,
    "run/identity": 8,
    "run/resume": 7,
    "run/source": 8,
    "config/errors": 4,
    "config/frames": 6,
    "config/near": 3,
    "config/words": 5,
    "sweep/expansion": 5,
    "sweep/outcome": 7,
    "sweep/plan": 8,
}

# Mutants that change nothing a test could see, "path: line -> line" -> why.
EQUIVALENT: dict[str, str] = {
    "recording/intervals: return Interval(mean, np.where(number > 1, half, np.nan), number) -> "
    "return Interval(mean, np.where(number >= 1, half, np.nan), number)": (
        "of a single value the error is 0 / 0, which is NaN"
    ),
    "core/products: narrow = self.weight.shape[-1] < NARROW and self.product_dtype is None -> "
    "narrow = self.weight.shape[(1)] < NARROW and self.product_dtype is None": (
        "both ways give the product; one is faster"
    ),
    "report/compare/statistics: return np.where(rest > 3 * _ROUNDING, (number - 1) * square / rest,"
    " np.inf) -> return np.where(rest >= 3 * _ROUNDING, (number - 1) * square / rest, np.inf)": (
        "no sum of squares is a bound of rounding to the last bit"
    ),
    "report/compare/power: counts += np.abs(unit.sum(0)) > bounds[-1] + 1e-6 -> "
    "counts += np.abs(unit.sum(0)) > bounds[-1] + 1.05e-06": "a bound of rounding, of any size",
    "report/compare/contest: for (number, one, other), (difference, needed) in zip(pairs, outcomes,"
    " strict=True): -> for (number, one, other), (difference, needed) in zip(pairs, outcomes, "
    "strict=False):": "there is one outcome for each pair",
    "run/source: process = subprocess.run(command, capture_output=True, timeout=10, "
    "env=environment) -> process = subprocess.run(command, capture_output=True, timeout=11, "
    "env=environment)": "how long a git that hangs is waited for",
    "core/laws: return torch.where(within, value / (a + 0.5).where(within, 1), 1) -> "
    "return torch.where(within, value / (a + 0.5).where(within, 2), 1)": (
        "a divisor that is not 0, of a quotient that is not used"
    ),
    "core/noise: BULK = 4096 -> BULK = 4097": "both ways draw the same numbers; one is faster",
    'run/checkpoint: model_config = ConfigDict(extra="forbid", frozen=True) -> '
    'model_config = ConfigDict(extra="forbid", frozen=False)': "nothing changes a header",
    'config/words: is_info = word in ("--info", "-i") and rest[:1] and rest[0] in _INFORMATION -> '
    'is_info = word in ("--info", "-i") and rest[:2] and rest[0] in _INFORMATION': (
        "both are empty if rest is"
    ),
    "estimators/rebar: probability = neuron.probability(logits.detach()) -> "
    "probability = neuron.probability(logits)": (
        "the estimate is detached where it is injected; only the cost differs"
    ),
    "estimators/vimco: bound, fixed = bound_of(losses), losses.detach() -> "
    "bound, fixed = bound_of(losses), losses": (
        "the estimate is detached where it is injected; only the cost differs"
    ),
    "estimators/sigmoid_st: multiplier = self.multiplier(logits.detach(), bits) -> "
    "multiplier = self.multiplier(logits, bits)": (
        "with_derivative detaches the multiplier; only the cost differs"
    ),
    "estimators/local_expectation: flips = (bits - one_each.view(units, *[1] * (bits.dim() - 1), "
    "units)).abs() -> flips = (bits - one_each.view(units, *[1] * ((bits.dim()) + (1)), units))"
    ".abs()": "an axis more of length 1, which is summed in the backward pass",
    "estimators/local_expectation: probability = self.neuron.probability(logits.detach()) -> "
    "probability = self.neuron.probability(logits)": (
        "the gradient is detached where it is injected; only the cost differs"
    ),
    "training/memory: _M_MMAP_THRESHOLD = -3 -> _M_MMAP_THRESHOLD = (3)": (
        "only the speed differs, and glibc returns 1 for a number that it does not know"
    ),
    "training/rehearsal: found = dict(zip(map(id, tapped), gradients, strict=True)) -> "
    "found = dict(zip(map(id, tapped), gradients, strict=False))": "autograd gives one for each",
    "tasks/vae: Split(inputs.expand(len(noise.seeds), *inputs.shape), targets.unsqueeze(0)), noise"
    " -> Split(inputs.expand(len(noise.seeds), *inputs.shape), targets.unsqueeze(1)), noise": (
        "the task does not use the targets"
    ),
    "tasks/gan/image_scores: lone = torch.where(images > 0.5, around < 0.5, around > 7.5) -> "
    "lone = torch.where(images > 0.5, around <= 0.5, around > 7.5)": "the sums are whole numbers",
    "tasks/gan/judge: nn.Linear(data.train.inputs[0].numel(), HIDDEN), -> "
    "nn.Linear(data.train.inputs[1].numel(), HIDDEN),": "all images are of one size",
    "tasks/gan/image_scores: return (levels.unsqueeze(-2) > rows.unsqueeze(-1)).to(shares.dtype)"
    " * 2 - 1 -> return (levels.unsqueeze(-2) > rows.unsqueeze((1))).to(shares.dtype) * 2 - 1": (
        "rows is [height], whose last axis is axis 1 of the result"
    ),
    "measurement/instrument: means = draws[: len(draws) // count * count].unflatten(0, (-1, count))"
    ".mean(1) -> means = draws[: len(draws) // count * count].unflatten(0, (-1, count)).sum(1)": (
        "only cosines are taken of these means, and a cosine does not depend on the length"
    ),
    "measurement/gradients: gram_is_smaller = count < centred.shape[-1] -> "
    "gram_is_smaller = count < centred.shape[-2]": (
        "both products have the same sum of squares; one of them is smaller"
    ),
    'measurement/instrument: "norm": torch.linalg.vector_norm(draws.mean(0), dim=-1), -> '
    '"norm": torch.linalg.vector_norm(draws.mean(0), dim=(1)),': (
        "the mean is [R, P], whose last axis is axis 1"
    ),
}


class Mutant(NamedTuple):
    """One changed line."""

    path: str
    line: int
    before: str
    after: str
    source: str

    @property
    def name(self) -> str:
        return f"{self.path}: {self.before.strip()} -> {self.after.strip()}"

    @property
    def tests(self) -> list[str]:
        names = next(
            tests
            for beginning, tests in sorted(TESTS.items(), key=lambda item: -len(item[0]))
            if self.path.startswith(beginning)
        )
        split = [name.partition("::") for name in names]
        return [f"{ROOT}/tests/test_{file}.py{sign}{test}" for file, sign, test in split]


COMPARED = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
OPERATED = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.MatMult: "*"}
RENAMED = {
    "mean": "sum",
    "sum": "mean",
    "maximum": "minimum",
    "minimum": "maximum",
    "amax": "amin",
    "any": "all",
    "all": "any",
    "square": "abs",
    "std": "var",
    "log1p": "log",
    "flip": "roll",
    "zeros_like": "ones_like",
    "ones_like": "zeros_like",
    "new_zeros": "new_ones",
}


def _is_joined(left: ast.AST, operator: ast.AST, right: ast.AST) -> bool:
    """Whether texts, lists or paths are joined or repeated: another operator only crashes there."""
    parts = (left, right)
    if any(isinstance(part, ast.List | ast.Tuple | ast.JoinedStr) for part in parts):
        return True
    if any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in parts):
        return True
    # A path, as in folder / RESULT.
    is_file = isinstance(right, ast.Name) and (right.id.isupper() or right.id in ("name", "path"))
    return isinstance(operator, ast.Div) and is_file


def changes(node: ast.AST, text: str) -> Iterator[str]:
    """What to put in place of a node, as source."""

    def part(of: ast.AST) -> str:
        return ast.get_source_segment(text, of) or ""

    match node:
        case ast.Compare(left, [operator], [right]) if type(operator) in COMPARED:
            yield f"{part(left)} {COMPARED[type(operator)]} {part(right)}"
        case ast.BinOp(left, operator, right) if type(operator) in OPERATED and not _is_joined(
            left, operator, right
        ):
            yield f"({part(left)}) {OPERATED[type(operator)]} ({part(right)})"
        case ast.BoolOp(ast.And(), [first, second]):
            yield f"{part(first)} or {part(second)}"
        case ast.BoolOp(ast.Or(), [first, second]):
            yield f"{part(first)} and {part(second)}"
        case ast.UnaryOp(ast.USub() | ast.Not() | ast.Invert(), operand):
            yield f"({part(operand)})"
        case ast.IfExp(_, body, orelse):
            yield part(body)
            yield part(orelse)
        case ast.Constant(value=bool() as value):
            yield str(not value)
        case ast.Constant(value=int() as value):
            yield str(value + 1)
        case ast.Constant(value=float() as value):
            yield repr(value * 1.05 or 0.05)
        case ast.Call(ast.Attribute(owner, "detach"), []):
            yield part(owner)
        case ast.Call(ast.Attribute(owner, name), arguments) if name in RENAMED:
            rest = ", ".join(map(part, [*arguments, *node.keywords]))
            yield f"{part(owner)}.{RENAMED[name]}({rest})"


def mutants_of(path: Path) -> list[Mutant]:
    """Every change of one line of a file that still compiles."""
    text = path.read_text()
    lines = text.splitlines(keepends=True)
    found: dict[tuple[int, str], Mutant] = {}
    tree = ast.parse(text)
    annotations = {
        id(inner)
        for outer in ast.walk(tree)
        for part in (getattr(outer, "annotation", None), getattr(outer, "returns", None))
        if part is not None
        for inner in ast.walk(part)
    }
    asserted = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.Assert | ast.Raise | ast.JoinedStr)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if id(node) in annotations or id(node) in asserted or not hasattr(node, "lineno"):
            continue
        if node.lineno != node.end_lineno:  # type: ignore[attr-defined]
            continue
        row, start, end = node.lineno - 1, node.col_offset, node.end_col_offset  # type: ignore[attr-defined]
        for change in changes(node, text):
            after = lines[row].encode()[:start].decode() + change
            after += lines[row].encode()[end:].decode()
            source = "".join([*lines[:row], after, *lines[row + 1 :]])
            with contextlib.suppress(SyntaxError):
                compile(source, str(path), "exec")
                if after != lines[row]:
                    name = str(path.relative_to(PACKAGE).with_suffix(""))
                    found[row, after] = Mutant(name, row + 1, lines[row], after, source)
    return list(found.values())


def drawn() -> list[Mutant]:
    """The mutants to try: the same ones for the same text of the package."""
    chosen = []
    for beginning, number in DRAWN.items():
        files = sorted(
            path
            for path in PACKAGE.rglob("*.py")
            if str(path.relative_to(PACKAGE)).startswith(beginning)
        )
        every = [mutant for path in files for mutant in mutants_of(path)]
        every.sort(key=lambda mutant: hashlib.sha256(mutant.name.encode()).hexdigest())
        chosen += every[:number]
    return [m for m in dict.fromkeys(chosen) if m.name not in EQUIVALENT]


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
