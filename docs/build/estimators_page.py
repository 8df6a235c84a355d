"""Write docs/estimators.md: python docs/build/estimators_page.py docs/estimators.md.

One section and one figure for every file of configs/estimator, from the class's docstring and
from measurements with fixed seeds; takes a few minutes. Times depend on the machine, all else
comes out the same.
"""

import argparse
import re
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import estimator_figure as figure
import torch
from catalogue import WARM_UP, Entry, chosen_problems, entry, names
from docstrings import LABELS, first_sentence, passages, short_source, summary

from bnrun.conformance.findings import Finding
from bnrun.conformance.problems import Problem
from bnrun.conformance.timing import relative_time
from bnrun.estimators.tools.baselines import Baseline
from bnrun.recording.files import replaced

INTRODUCTION = """\
# Estimators

Written by `python docs/build/estimators_page.py docs/estimators.md` from the docstrings and from
measurements with fixed seeds. Do not edit it by hand.

**Notation.** One unit has the logit a, the probability p = sigmoid(slope * a) and the bit b; f is
the loss as a function of the layer's bits, f' its derivative by them, u a uniform on [0, 1). A
multiplier stands in for d activation / d logit in the backward pass. `span` is 1 for activations
0, 1 and 2 for -1, +1; `slope` alone is the neuron's. U units, K samples.

**Figures.** What comes back to the logit of a single unit whose loss is its own activation,
f(b) = b: for the straight-through family that is its multiplier. One line for each bit where the
bit is all that it depends on, else mean and standard deviation over draws. Dashed: the exact
gradient, p (1 - p).

**Measurements.** Gradient by the logits of the first layer, beside exact enumeration, at the
values of the config file, after {warm_up} calls in which running averages and nets learn:

{problems}

z is the largest distance of the mean from the exact gradient over all coordinates, in standard
errors; up to {chance:.1f} it comes by chance, and no bias is shown, where a wrong factor of
{detectable:.1%} would have been. Bias is relative to the norm of the exact gradient, with the part
that chance adds taken off. Variance is that of one draw, summed over coordinates, in units of the
squared exact gradient. Cosines are with the exact gradient. Evaluations are passes of the head for
one call, all layers together; "bwd" says how many of them are differentiated by the bits.

"""

OVERVIEW = """\
## All estimators

Evaluations are those of one layer of {units} units. Time is that of a training step's forward and
backward pass on the MLP 784-100-10, batch 50, on one core, divided by that of sigmoid_st: the
median of steps taken in turn. It varies by machine.

"""

Measured = dict[Entry, list[Finding]]


def page(measured: Measured) -> str:
    """The whole page as Markdown."""
    seen = [finding.sides["logits"] for findings in measured.values() for finding in findings]
    introduction = INTRODUCTION.format(
        warm_up=WARM_UP,
        problems="\n".join(_shape(problem) for problem in chosen_problems()),
        chance=max(agreement.threshold for agreement in seen),
        detectable=max(agreement.detectable for agreement in seen if agreement.holds),
    )
    sections = [section(one, findings) for one, findings in measured.items()]
    return introduction + "\n".join([overview(measured), *sections])


def _shape(problem: Problem) -> str:
    units = ", then ".join(str(weight.shape[-1]) for weight, _ in problem.stages)
    return f"- {problem.name}: {units} binary units. {problem.head.__doc__}"


def overview(measured: Measured) -> str:
    """The table of all estimators, a line for each, timed here."""
    rows = [["name", "gradient", "exact when", "evaluations", "time", "source"]]
    for one, findings in measured.items():
        print(f"timing {one.name}", file=sys.stderr)
        said = one.passages
        told = [said, *(passages(type(part)) for part in one.parts.values())]
        sources = [short_source(text["Source"]) for text in told if "Source" in text]
        rows.append(
            [
                f"[{one.name}](#{one.name})",
                "unbiased" if one.estimator.unbiased else "biased",
                _escaped(first_sentence(said["Exact"])),
                _evaluations(findings[0], said["Cost"]),
                _time(one),
                ", ".join(filter(None, sources)) or "-",
            ]
        )
    return OVERVIEW.format(units=chosen_problems()[0].stages[0][0].shape[-1]) + _table(rows)


def _time(one: Entry) -> str:
    try:
        return f"{median(relative_time(one.build, one.neuron()) for _ in range(7)):.1f}"
    except ValueError:
        return "-"  # it refuses a layer of that width


def _evaluations(finding: Finding, cost: str = "") -> str:
    """How many were counted, with the formula that the docstring may have: "6 (U + 1)"."""
    formula = re.match(r"(\S*[UK].*?) downstream", cost)
    backward = finding.evaluations.differentiated
    return (
        f"{finding.evaluations.total:g}"
        + (f" ({formula[1]})" if formula else "")
        + (f", {backward:g} bwd" if backward else "")
    )


def section(one: Entry, findings: Sequence[Finding]) -> str:
    """What is known of one estimator."""
    description = one.description[0].upper() + one.description[1:]
    lines = [
        f"## {one.name}\n",
        f"{_escaped(description)}\n",
        f"![Gradient of {one.name} against the logit](estimators/{one.name}.svg)\n",
        f"```text\n{_formulas(one.passages)}\n```\n",
        *(f"- {fact}" for fact in _facts(one)),
        "",
        _results(findings),
    ]
    return "\n".join(lines)


def _formulas(said: dict[str, str]) -> str:
    def wrapped(label: str) -> str:
        text = f"{label + ':':<9} {said[label]}"
        return textwrap.fill(text, width=96, subsequent_indent=" " * 10)

    return "\n".join([wrapped("forward"), wrapped("backward")])


def _facts(one: Entry) -> list[str]:
    facts = ["Gradient: " + ("unbiased." if one.estimator.unbiased else "biased.")]
    facts += [
        f"{label}: {_prose(one.passages[label])}" for label in LABELS[2:] if label in one.passages
    ]
    for name, part in one.parts.items():
        fact = f"`{name}`: {type(part).__name__}. {_escaped(summary(type(part)))}"
        source = passages(type(part)).get("Source")
        # An estimator has a section of its own.
        facts.append(
            f"{fact} Source: {_prose(source)}" if source and isinstance(part, Baseline) else fact
        )
    if one.options:
        facts.append(
            "As measured: " + ", ".join(f"`{k}={v}`" for k, v in one.options.items()) + "."
        )
    return [*facts, f"Neurons: {', '.join(one.neurons)}."]


def _results(findings: Sequence[Finding]) -> str:
    title = ["problem", "bias", "z", "variance", "cosine of mean", "of a draw"]
    rows = [[*title, "draws", "evaluations"]]
    for finding in findings:
        seen = finding.sides["logits"]
        rows.append(
            [
                finding.problem.name,
                "none shown" if seen.holds else f"{100 * seen.bias:.3g} %",
                f"{seen.z:.1f}" if seen.z < 1000 else "> 1000",
                f"{finding.variance:.3g}",
                f"{finding.cosine_of_mean:.3f}",
                f"{finding.cosine_of_draw:.3f}",
                f"{finding.draws:,}",
                _evaluations(finding),
            ]
        )
    return _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> str:
    title, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([title, "|" + " --- |" * len(rows[0]), *body, ""])


def _prose(text: str) -> str:
    link = r"[arXiv \1](https://arxiv.org/abs/\1)"
    return re.sub(r"arXiv (\d{4}\.\d{4,5})", link, _escaped(text))


def _escaped(text: str) -> str:
    """Prose with formulas, safe from Markdown; `code` stays code."""
    return re.sub(r"([*_~|\[\]])", r"\\\1", text)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page and, in a folder beside it, its figures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("page", type=Path, help="the Markdown file, docs/estimators.md")
    target: Path = parser.parse_args(arguments).page
    torch.set_num_threads(1)
    folder = target.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    measured = {}
    for one in map(entry, names()):
        print(f"measuring {one.name}", file=sys.stderr)
        measured[one] = one.findings()
        seen = figure.response(one.build(one.neuron()), one.warm_up)
        figure.save(seen, folder / f"{one.name}.svg")
    with replaced(target) as file:
        file.write(page(measured).encode())


if __name__ == "__main__":
    main()
