"""Small changes of one expression, and which of them are drawn."""

import ast
import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mutants.equivalent import EQUIVALENT
from mutants.tests_of import TESTS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "bnrun"

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
