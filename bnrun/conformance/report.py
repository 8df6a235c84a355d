"""What the conformance kit measured, as a table and in words."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bnrun.conformance.contract import broken_rules
from bnrun.conformance.findings import WORDS, Finding, assess, disagreements, exact_on, resolution
from bnrun.conformance.problems import problems
from bnrun.conformance.target import DrawsTarget, Target
from bnrun.conformance.timing import relative_time
from bnrun.core.neurons import SBN


def check(target: Target | DrawsTarget) -> int:
    """Measure, print, and return the exit status: 1 if the claim to be unbiased is wrong."""
    # Wide enough for the sentences where the output is not a terminal.
    console = Console(width=None if Console().is_terminal else 120, highlight=False)
    rules = [] if isinstance(target, DrawsTarget) else [*_calls(target)]
    with console.status("measuring"):
        findings = findings_of(target)
        lines = [*_bias(target, findings), *rules, _cost(target, findings[0])]
    console.print(_table(target, findings))
    for line in lines:
        console.print(escape(line))
    return int(target.claims_unbiased and bool(disagreements(findings)))


def findings_of(target: Target | DrawsTarget) -> list[Finding]:
    """What the kit finds on each of its nets."""
    return [assess(target.measure(problem)) for problem in problems()]


def _table(target: Target | DrawsTarget, findings: Sequence[Finding]) -> Table:
    reference = "exact gradient of an SBN" if _is_dbn(target) else "exact gradient"
    noise = target.neuron.noise if isinstance(target, Target) else "logistic"
    under = "" if noise == "logistic" else f", {noise} noise"
    sides = findings[0].sides
    table = Table(
        title=f"{escape(target.name)} compared with the {reference} at the same logits{under}",
        caption="gradient with respect to the logits of the first layer; variance of one draw in "
        "units of the squared exact gradient;\nz: largest deviation of a coordinate, in standard "
        "errors"
        + "; after: gradient with respect to the weights after the layer"
        * ("downstream" in sides),
    )
    table.add_column("net", no_wrap=True)
    for title in ["bias", "z", "variance", "cosine of mean", "of a draw", "draws"]:
        table.add_column(title, justify="right")
    if "downstream" in sides:
        for title in ["bias after", "z after"]:
            table.add_column(title, justify="right")
    for finding in findings:
        table.add_row(*_row(finding))
    return table


def _row(finding: Finding) -> list[str]:
    logits, after = finding.sides["logits"], finding.sides.get("downstream")
    return [
        finding.problem.name,
        f"{logits.bias:.1%}",
        _shown_z(logits.z),
        f"{finding.variance:.3g}",
        f"{finding.cosine_of_mean:.3f}",
        f"{finding.cosine_of_draw:.3f}",
        f"{finding.draws}",
        *([] if after is None else [f"{after.bias:.1%}", _shown_z(after.z)]),
    ]


def _shown_z(z: float) -> str:
    return f"{z:.1f}" if z < 1000 else "> 1000"


def _is_dbn(target: Target | DrawsTarget) -> bool:
    return isinstance(target, Target) and not isinstance(target.neuron, SBN)


def _bias(target: Target | DrawsTarget, findings: Sequence[Finding]) -> Iterator[str]:
    missed = disagreements(findings)
    if not missed:
        result = "Unbiased, as it claims" if target.claims_unbiased else "No bias found"
        measured = "gradients and loss agree" if "loss" in findings[0].sides else "draws agree"
        yield (
            f"{result}: {measured} with enumeration on all {len(findings)} nets; "
            f"{_shown_resolution(findings)} would have been found."
        )
        if not target.claims_unbiased:
            where = "function" if isinstance(target, DrawsTarget) else "class"
            yield f"It does not claim so: set `unbiased = True` on the {where} if theory agrees."
        return
    if target.claims_unbiased:
        yield "BIASED, though it claims to be unbiased:"
        yield from (f"  - {line}" for line in missed)
    else:
        yield "Biased, and it does not claim otherwise."
    for side in findings[0].sides:
        yield _where(WORDS[side], exact_on(findings, side), findings)
    if _is_dbn(target):
        yield "The gradient of a DBN is zero: bias here is the distance to the gradient of an SBN."


def _shown_resolution(findings: Sequence[Finding]) -> str:
    size = resolution(findings)
    return f"an error of {size:.1%} in any gradient" if size > 0.001 else "any error"


def _where(words: str, names: Sequence[str], findings: Sequence[Finding]) -> str:
    if not names:
        return f"The {words} is biased on every net."
    if len(names) == len(findings):
        return f"The {words} shows no bias on any net."
    return f"The {words} shows no bias on: {'; '.join(names)}."


def _calls(target: Target) -> Iterator[str]:
    broken = broken_rules(target.build, target.neuron)
    if not broken:
        yield (
            "Keeps the rules of a call: dtypes, leading axes, strides, extreme logits, "
            "determinism, independent replicas, saved state."
        )
    for line in broken:
        yield f"BREAKS A RULE: {line}."


def _cost(target: Target | DrawsTarget, finding: Finding) -> str:
    evaluations, units = finding.evaluations, finding.problem.stages[0][0].shape[-1]
    per, activations = (
        ("draw", "bits") if isinstance(target, DrawsTarget) else ("call", "activations")
    )
    plural = "s" * (evaluations.total != 1)
    text = (
        f"Cost: {evaluations.total:g} downstream evaluation{plural} per {per} on {units} "
        f"units, {evaluations.differentiated:g} of them differentiated with respect to the "
        f"{activations}"
    )
    if isinstance(target, DrawsTarget):
        return f"{text}."
    try:
        ratio = relative_time(target.build, target.neuron)
    except ValueError as error:
        return f"{text}; not timed: {error}."
    return f"{text}; {ratio:.1f} times the time of sigmoid_st on the MLP 784-100-10, batch 50."
