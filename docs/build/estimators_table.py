"""README's table of estimators: one row per family.

Estimators are a family if their classes are in one file of bnrun/estimators, or derive from a class
in that file.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from catalogue import Entry
from docstrings import first_sentence
from estimators_markdown import Catalogue, formula, gradient, table
from measurements import Measurements

BEGIN, END = "<!-- estimators -->\n", "<!-- /estimators -->\n"

CAPTION = """
Evaluations: passes of the rest of the net per call, for U units or K samples; bwd: also
differentiated. Time: of a training step of the MLP 784-100-10; `sigmoid_st` is 1.
"""

Member = tuple[Entry, Measurements]


def with_table(readme: str, catalogue: Catalogue) -> str:
    """The text of README with the table between its two markers replaced."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md: no {BEGIN.strip()} with a {END.strip()} after it")
    return before + BEGIN + families(catalogue) + CAPTION + END + after


def families(catalogue: Catalogue) -> str:
    """The table: biased before unbiased, then by cost."""
    members = sorted(catalogue.items(), key=_family)
    rows = [list(family) for _, family in groupby(members, key=_family)]
    rows.sort(key=_order)
    title = ["`estimator=`", "family", "gradient", "evaluations", "time"]
    return table([title, *map(_row, rows)])


def _family(member: Member) -> str:
    return member[0].family.__name__


def _order(family: Sequence[Member]) -> tuple[bool, float, float, str]:
    entry, measured = family[0]
    time = measured.time or float("inf")
    return entry.estimator.unbiased, measured.rows[0].evaluations, time, entry.name


def _row(family: Sequence[Member]) -> list[str]:
    times = sorted(f"{one.time:.1f}" for _, one in family if one.time is not None)
    return [
        ", ".join(f"`{entry.name}`" for entry, _ in family),
        first_sentence(family[0][0].family.__doc__ or ""),
        _joined(gradient(entry) for entry, _ in family),
        _joined(_evaluations(*member) for member in family),
        "–".join(dict.fromkeys([times[0], times[-1]])) if times else "-",
    ]


def _evaluations(entry: Entry, measured: Measurements) -> str:
    row = measured.rows[0]
    number, backward = formula(entry) or f"{row.evaluations:g}", f"{row.differentiated:g}"
    if backward == "0":
        return number
    return f"{number} bwd" if backward == number else f"{number}, {backward} bwd"


def _joined(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(words))
