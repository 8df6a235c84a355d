"""The page docs/estimators.md: one table, and one section with a figure for each estimator.

Its text comes from the files of configs/estimator and the docstrings of the classes, its numbers
from the stored measurements.
"""

import re
import textwrap
from collections.abc import Mapping, Sequence
from itertools import chain

from catalogue import Entry, chosen_problems
from docstrings import LABELS, first_sentence, passages, short_source, summary
from measurements import WARM_UP, Measurements, Row

from bnrun.config.synonyms import SYNONYMS
from bnrun.conformance.problems import Problem
from bnrun.estimators.tools.baselines import Baseline

INTRODUCTION = """\
# Estimators

Written by `python docs/build/estimators_page.py` from docstrings and stored measurements; edits
by hand are overwritten.

**Notation.** One unit has logit a, probability p = F(slope * a) and bit b; F is the distribution
function of the neuron's noise: a sigmoid, unless `neuron.noise` is normal (probit) or uniform
(hard sigmoid). f is the loss as a function of the layer's bits, f' its derivative with respect to
them, u a uniform on [0, 1). The score, d log P(b) / d a, is `score_slope` * (b - p);
`score_slope` is slope for logistic noise, and slope * F' / (p (1 - p)) in general. A multiplier
replaces d activation / d logit in the backward pass. `span` is 1 for activations 0, 1 and 2 for
-1, +1; `slope` without a qualifier is the neuron's. U units, K samples.

**Figures.** The gradient with respect to the logit of a single unit whose loss is its own
activation, f(b) = b: for straight-through estimators that is the multiplier. One line for each
bit if the gradient depends only on the bit, otherwise mean and standard deviation over draws.
Dashed: the exact gradient, p (1 - p). Figures and measurements are for logistic noise.

**Measurements.** The gradient with respect to the logits of the first layer, compared with exact
enumeration, for the values of the config file, after {warm_up} calls in which running averages
and nets learn:

{problems}

z is the largest deviation of the mean from the exact gradient over all coordinates, in standard
errors. Up to {chance:.1f} it can be chance, and no bias is shown; an error of {detectable:.1%}
in the length of the gradient would have been found. Bias is relative to the norm of the exact
gradient, corrected for sampling error. Variance is that of one draw, summed over coordinates,
in units of the squared exact gradient. Cosines are with the exact gradient. Evaluations are
passes of the head per call, all layers together; "bwd" is how many of them are differentiated
with respect to the bits.

"""

OVERVIEW = """\
## All estimators

Evaluations are for one layer of {units} units. Time is that of the forward and backward pass of
a training step of the MLP 784-100-10, batch 50, on one core, divided by that of sigmoid_st: the
median over steps taken in turn. It depends on the machine.

"""

SYNONYMS_TITLE = """\
## Names in the literature

Papers have other names for some of these estimators; as a choice, such a name is an error that says
which one it is.

"""

NO_MEMBER = """
Local reparametrization, sometimes called a straight-through method, is none of these. For a sum of
many random bits, such as weights times activations, it draws a normal value of the same mean and
variance and differentiates that (Shayer, Levi, Fetaya 2018, arXiv 1710.07739). So it belongs to the
linear layer that adds up the bits, which an estimator here does not see; it trains the normal
approximation, not the mean over bits; and it needs no estimator unless that value is thresholded
again. In that case the bit has a probit law: `neuron.noise=normal`, with any estimator.
"""

Catalogue = Mapping[Entry, Measurements]


def page(catalogue: Catalogue) -> str:
    """The whole page as Markdown."""
    sections = [section(entry, measured) for entry, measured in catalogue.items()]
    return introduction(catalogue) + "\n".join([overview(catalogue), synonyms(), *sections])


def introduction(catalogue: Catalogue) -> str:
    """Title, notation, and how figures and numbers were measured."""
    rows = list(chain.from_iterable(measured.rows for measured in catalogue.values()))
    return INTRODUCTION.format(
        warm_up=WARM_UP,
        problems="\n".join(_shape(problem) for problem in chosen_problems()),
        chance=max(row.threshold for row in rows),
        detectable=max(row.detectable for row in rows if row.unbiased),
    )


def _shape(problem: Problem) -> str:
    units = ", then ".join(str(weight.shape[-1]) for weight, _ in problem.stages)
    return f"- {problem.name}: {units} binary units. {problem.head.__doc__}"


def overview(catalogue: Catalogue) -> str:
    """The table of all estimators, a line for each."""
    rows = [["name", "gradient", "exact when", "evaluations", "time", "source"]]
    for entry, measured in catalogue.items():
        texts = [entry.passages, *(passages(type(part)) for part in entry.parts.values())]
        sources = [short_source(text["Source"]) for text in texts if "Source" in text]
        rows.append(
            [
                f"[{entry.name}](#{entry.name})",
                gradient(entry),
                _escaped(first_sentence(entry.passages["Exact"])),
                _evaluations(measured.rows[0], formula(entry)),
                "-" if measured.time is None else f"{measured.time:.1f}",
                ", ".join(filter(None, sources)) or "-",
            ]
        )
    units = chosen_problems()[0].stages[0][0].shape[-1]
    return OVERVIEW.format(units=units) + table(rows)


def synonyms() -> str:
    """The table of names that the literature has for estimators of other names."""
    rows = [[f"`{name}`", f"`estimator={known}`"] for name, known in SYNONYMS.items()]
    return SYNONYMS_TITLE + table([["name", "here"], *rows]) + NO_MEMBER


def gradient(entry: Entry) -> str:
    """Whether the estimator claims to be unbiased, in a word."""
    return "unbiased" if entry.estimator.unbiased else "biased"


def formula(entry: Entry) -> str | None:
    """The number of evaluations if it depends on U or K, like "U + 1"."""
    match = re.match(r"(\S*[UK].*?) downstream", entry.passages["Cost"])
    return match and match[1]


def _evaluations(row: Row, formula: str | None = None) -> str:
    """The number counted, its formula, and how many are differentiated: "6 (U + 1), 1 bwd"."""
    return (
        f"{row.evaluations:g}"
        + (f" ({formula})" if formula else "")
        + (f", {row.differentiated:g} bwd" if row.differentiated else "")
    )


def section(entry: Entry, measured: Measurements) -> str:
    """All about one estimator: description, figure, formulas, facts and measurements."""
    return "\n".join([*_head(entry), results(measured.rows)])


def _head(entry: Entry) -> list[str]:
    description = entry.description[0].upper() + entry.description[1:]
    return [
        f"## {entry.name}\n",
        f"{_escaped(description)}\n",
        f"![Gradient of {entry.name} against the logit](estimators/{entry.name}.svg)\n",
        f"```text\n{_formulas(entry.passages)}\n```\n",
        *(f"- {fact}" for fact in facts(entry)),
        "",
    ]


def _formulas(texts: Mapping[str, str]) -> str:
    def wrapped(label: str) -> str:
        text = f"{label + ':':<9} {texts[label]}"
        return textwrap.fill(text, width=96, subsequent_indent=" " * 10)

    return "\n".join([wrapped("forward"), wrapped("backward")])


def facts(entry: Entry) -> list[str]:
    """What is said of an estimator below its formulas, a Markdown line each."""
    texts = entry.passages
    lines = [f"Gradient: {gradient(entry)}."]
    lines += [f"{label}: {_prose(texts[label])}" for label in LABELS[2:] if label in texts]
    for name, part in entry.parts.items():
        fact = f"`{name}`: {type(part).__name__}. {_escaped(summary(type(part)))}"
        source = passages(type(part)).get("Source")
        # A part that is an estimator has its own section.
        if source is not None and isinstance(part, Baseline):
            fact += f" Source: {_prose(source)}"
        lines.append(fact)
    if entry.options:
        options = ", ".join(f"`{key}={value}`" for key, value in entry.options.items())
        lines.append(f"As measured: {options}.")
    return [*lines, f"Neurons: {', '.join(entry.neurons)}."]


def results(rows: Sequence[Row]) -> str:
    """The table of an estimator's measurements."""
    title = ["problem", "bias", "z", "variance", "cosine of mean", "of a draw"]
    cells = [
        [
            row.problem,
            "none shown" if row.unbiased else f"{100 * row.bias:.3g} %",
            f"{row.z:.1f}" if row.z < 1000 else "> 1000",
            f"{row.variance:.3g}",
            f"{row.cosine_of_mean:.3f}",
            f"{row.cosine_of_draw:.3f}",
            f"{row.draws:,}",
            _evaluations(row),
        ]
        for row in rows
    ]
    return table([[*title, "draws", "evaluations"], *cells])


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its title."""
    title, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([title, "|" + " --- |" * len(rows[0]), *body, ""])


def _prose(text: str) -> str:
    link = r"[arXiv \1](https://arxiv.org/abs/\1)"
    return re.sub(r"arXiv (\d{4}\.\d{4,5})", link, _escaped(text))


def _escaped(text: str) -> str:
    """Text with formulas, safe from Markdown."""
    return re.sub(r"([*_~|\[\]])", r"\\\1", text)
