"""Pages of the docs site that are made from the code: one for each estimator, and the API."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from catalogue import Entry
from estimators_markdown import Catalogue, facts, introduction, overview, results, synonyms
from measurements import Measurements
from pydantic import BaseModel, ConfigDict

FORMULAS = Path(__file__).parents[1] / "site" / "formulas.yaml"

SYMBOLS = {
    r"\hat g": "the estimate of the derivative with respect to the logit",
    "m": "multiplier: the estimate is m times the derivative with respect to the activation",
    "a": "logit",
    "p": "probability of the bit 1",
    "b": "bit",
    "f": "loss, as a function of the layer's bits",
    r"\Delta": "`span`: 1 for activations 0, 1 and 2 for -1, +1",
    r"\kappa": "`score_slope`: for logistic noise the neuron's slope, 1 unless it is set",
    r"\lambda": "the neuron's slope",
    "s": "the estimator's `slope`",
    "t": "temperature",
    "u": "uniform on [0, 1)",
    r"\varepsilon": "the neuron's noise",
    r"\sigma": "sigmoid",
    r"\rho": "standard deviation of the added noise",
    r"\eta": "weight of the control variate",
    r"\tau": "`tau`",
    "w": "`weight`",
    "B": "baseline",
    "K": "samples",
    "U": "units of the layer",
}
_NAMES = r"\\(?:text|operatorname)\{[^}]*\}"

API = """\
# API

Names of `bnrun` itself are for notebooks and for training code of your own; [](python.md)
and [](layer.md) show them at work. The classes below them are what your own estimators, data,
models and tasks derive from: [](extending.md).
"""

API_SECTIONS = {
    "Binary layers": ["bnrun.Binary", "bnrun.estimate", "bnrun.advance"],
    "Estimators": ["bnrun.load_estimator", "bnrun.Noise", "bnrun.check"],
    "Runs": ["bnrun.runner.run", "bnrun.runner.sweep", "bnrun.load_runs"],
    "Scores and curves": ["bnrun.report.read.frames.Runs", "bnrun.report.read.frames.FinishedRun"],
    "Errors": ["bnrun.UserError"],
    "To derive from": [
        "bnrun.Estimator",
        "bnrun.validated",
        "bnrun.core.neurons.Neuron",
        "bnrun.core.neurons.DifferentiableNeuron",
        "bnrun.core.chain.Chain",
        "bnrun.core.layers.Activation",
        "bnrun.core.products.Linear",
        "bnrun.core.products.Conv2d",
        "bnrun.models.base.Model",
        "bnrun.data.base.Dataset",
        "bnrun.data.base.Data",
        "bnrun.data.base.Split",
        "bnrun.tasks.base.Task",
        "bnrun.tasks.base.ScoredTask",
    ],
    "Tools for estimators": [
        "bnrun.core.chain.nest",
        "bnrun.estimators.base.fire",
        "bnrun.estimators.tools.gradients.inject",
        "bnrun.estimators.tools.gradients.with_derivative",
        "bnrun.estimators.tools.derivatives.score",
        "bnrun.estimators.tools.derivatives.value_and_derivative",
    ],
}

MEMBERS = {"bnrun.Binary": "estimator, advance, forward"}
"""Of classes whose other methods serve the package."""


class Formula(BaseModel):
    """The formula of one estimator.

    says  the passage of its docstring that it typesets
    tex   its lines, in LaTeX
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    says: str
    tex: list[str]


def formulas() -> dict[str, Formula]:
    """The formulas of docs/site/formulas.yaml by estimator."""
    entries: dict[str, object] = yaml.safe_load(FORMULAS.read_text())
    return {name: Formula.model_validate(entry) for name, entry in entries.items()}


def estimator_pages(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """The overview and the page of each estimator: path and Markdown."""
    table = re.sub(r"\]\(#(\w+)\)", r"](estimators/\1.md)", overview(catalogue))
    listed = "\n".join(f"estimators/{entry.name}" for entry in catalogue)
    parts = [introduction(catalogue), table, synonyms(), _toctree(listed)]
    yield "estimators.md", "\n".join(parts)
    typeset = formulas()
    for entry, measured in catalogue.items():
        yield f"estimators/{entry.name}.md", _page(entry, measured, typeset[entry.name])


def _toctree(listed: str) -> str:
    return f"```{{toctree}}\n:hidden:\n\n{listed}\n```\n"


def _page(entry: Entry, measured: Measurements, formula: Formula) -> str:
    """One estimator: formula, figure, facts, measurements and class."""
    cls = type(entry.estimator)
    lines = [
        f"# {entry.name}\n",
        entry.description[0].upper() + entry.description[1:] + "\n",
        *(f"```{{math}}\n{line}\n```\n" for line in formula.tex),
        _legend(formula),
        f"![Gradient of {entry.name} against the logit]({entry.name}.svg)\n",
        "The gradient with respect to the logit of one unit whose loss is its own activation.",
        "Dashed: the exact one. [How it was measured](../estimators.md).\n",
        *(f"- {fact}" for fact in facts(entry)),
        "\n## Measured\n",
        results(measured.rows),
        "## Use\n",
        f"```sh\nbnrun estimator={entry.name}\n```\n",
        f'```python\nestimator = bnrun.load_estimator("{entry.name}")\n```\n',
        f"```{{eval-rst}}\n.. autoclass:: {cls.__module__}.{cls.__qualname__}",
        "   :no-index:\n```\n",
    ]
    return "\n".join(lines)


def _legend(formula: Formula) -> str:
    """What the symbols of a formula mean, in one line."""
    text = re.sub(_NAMES, "", " ".join(formula.tex))
    plain = re.sub(r"\\[a-zA-Z]+", " ", text)
    used = {
        symbol: meaning
        for symbol, meaning in SYMBOLS.items()
        if (
            symbol in text
            if symbol.startswith("\\")
            else re.search(rf"(?<![a-zA-Z]){symbol}(?![a-zA-Z])", plain)
        )
    }
    return "; ".join(f"{{math}}`{symbol}` {meaning}" for symbol, meaning in used.items()) + ".\n"


def api_page() -> str:
    """The API: signatures and docstrings."""
    parts = [API]
    for title, names in API_SECTIONS.items():
        directives = "\n\n".join(map(_directive, names))
        parts.append(f"## {title}\n\n```{{eval-rst}}\n{directives}\n```\n")
    return "\n".join(parts)


def _directive(name: str) -> str:
    if name.rpartition(".")[2][0].isupper():
        members = MEMBERS.get(name, "")
        return f".. autoclass:: {name}\n   :members: {members}\n   :special-members: __call__"
    return f".. autofunction:: {name}"
