"""What the conformance kit measured, as a polars frame for a notebook."""

from typing import Any

import polars as pl
import torch

from bnrun.conformance.findings import Finding
from bnrun.conformance.report import findings_of
from bnrun.conformance.target import load, target_of
from bnrun.core.laws import NoiseLaw


def check(
    target: Any, neuron: str = "sbn", noise: NoiseLaw = "logistic", **fields: Any
) -> pl.DataFrame:
    """Compare gradients with the exact ones on small nets, as `bnrun-check` does.

    target  the name of an estimator; a class of your own or a function with its call,
            (logits, downstream, noise) -> loss; or any function (logits, loss, draws, seed) that
            returns draws of the gradient with respect to a layer's logits, whatever it is
            written in:

            logits  [B, U], a NumPy array of float64
            loss    loss(bits) is the loss of each example, [*S, B], for bits [*S, B, U] of 0 and 1;
                    loss.gradient(bits) its gradient with respect to the bits, [*S, B, U]
            draws   the number of draws to return, [draws, B, U], independent of each other
            seed    an integer; another one must give other draws
    neuron  sbn or dbn
    noise   logistic, normal or uniform
    fields  of the estimator, or keywords of the function

    Returns one row per net and gradient: net, gradient (by what), bias (relative), z and the
    largest z that chance explains, unbiased (whether z is below it); of the net, variance of one
    draw relative to the squared exact gradient, cosines of the mean and of a draw with it, draws,
    and evaluations of the loss per draw.

    Raises bnrun.UserError or ValueError for a target that cannot be checked.
    """
    if isinstance(target, str):
        words = [f"{key}={value}" for key, value in fields.items()]
        checked = load(target, words, neuron, noise=noise)
    else:
        name = getattr(target, "__name__", type(target).__name__)
        checked = target_of(name, target, fields, neuron, noise)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # More are slower on nets this small.
    try:
        findings = findings_of(checked)
    finally:
        torch.set_num_threads(threads)
    return pl.DataFrame([row for finding in findings for row in _rows(finding)])


def _rows(finding: Finding) -> list[dict[str, Any]]:
    return [
        {
            "net": finding.problem.name,
            "gradient": side,
            "bias": result.bias,
            "z": result.z,
            "largest_z": result.threshold,
            "unbiased": result.holds,
            "variance": finding.variance,
            "cosine_of_mean": finding.cosine_of_mean,
            "cosine_of_draw": finding.cosine_of_draw,
            "draws": finding.draws,
            "evaluations": finding.evaluations.total,
        }
        for side, result in finding.sides.items()
    ]
