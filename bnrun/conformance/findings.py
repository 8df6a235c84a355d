"""Whether draws agree with the exact gradient, as numbers and in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import torch

from bnrun.conformance.measurement import Evaluations, Measurement, Side
from bnrun.conformance.problems import Problem
from bnrun.measurement import gradients

STANDARD_ERRORS = 4.5
"""Largest deviation of one coordinate that passes; with more coordinates it is larger."""
POWER = 0.9
"""Probability that an error of size `Agreement.detectable` is found, on one net and one side."""

WORDS: dict[Side, str] = {
    "logits": "gradient with respect to the logits",
    "upstream": "gradient with respect to the weights before the layer",
    "downstream": "gradient with respect to the weights after the layer",
    "loss": "value of the loss",
}


def threshold(coordinates: int) -> float:
    """Largest |z| that passes: 4.5 for one coordinate, more for several (Bonferroni)."""
    return -NormalDist().inv_cdf(NormalDist().cdf(-STANDARD_ERRORS) / coordinates)


@dataclass(frozen=True)
class Agreement:
    """How one side of a measurement compares with the exact one.

    z           largest distance between mean and exact value in standard errors, over all
                coordinates and the scale along the exact gradient
    threshold   largest z that passes
    bias        norm(bias) / norm(exact), corrected for sampling error, 0 if the draws show none
    detectable  the relative error of the whole gradient that would be found in 9 of 10 cases
    """

    z: float
    threshold: float
    bias: float
    detectable: float

    @property
    def holds(self) -> bool:
        """Whether the draws show no bias. False for NaN."""
        return self.z <= self.threshold


def agreement(measurement: Measurement, side: Side) -> Agreement:
    """Compare one side of a measurement with the exact one."""
    draws, exact = measurement.draws[side], measurement.exact[side]
    scale = gradients.scale(draws, exact)
    one = torch.ones_like(exact[:1])
    z = torch.cat([gradients.z_scores(draws, exact), gradients.z_scores(scale, one)])
    limit = threshold(len(z))
    return Agreement(
        z=float(z.abs().max()),
        threshold=limit,
        bias=float(gradients.relative_bias(draws, exact)),
        detectable=float((limit + NormalDist().inv_cdf(POWER)) * gradients.standard_error(scale)),
    )


@dataclass(frozen=True)
class Finding:
    """The statistics of a measurement.

    sides           how each side that was measured compares with the exact one
    variance        trace of the covariance of one draw, in units of the squared exact gradient
    cosine_of_mean  between the mean of the draws and the exact gradient
    cosine_of_draw  mean cosine of single draws
    draws           their number
    evaluations     per call

    Variance and cosines are of the gradient with respect to the first layer's logits.
    """

    problem: Problem
    sides: dict[Side, Agreement]
    variance: float
    cosine_of_mean: float
    cosine_of_draw: float
    draws: int
    evaluations: Evaluations


def assess(measurement: Measurement) -> Finding:
    """The statistics of a measurement, compared with the exact gradient."""
    draws, exact = measurement.draws["logits"], measurement.exact["logits"]
    return Finding(
        problem=measurement.problem,
        sides={side: agreement(measurement, side) for side in measurement.draws},
        variance=float(gradients.variance(draws) / exact.square().sum()),
        cosine_of_mean=float(gradients.cosine(draws.mean(0), exact)),
        cosine_of_draw=float(gradients.cosine_band(draws, exact).mean),
        draws=len(draws),
        evaluations=measurement.evaluations,
    )


def disagreements(findings: Sequence[Finding]) -> list[str]:
    """A sentence for each problem and side that shows a bias."""
    return [
        f"{finding.problem.name}: the {WORDS[side]} is off by {result.bias:.1%} "
        f"(z = {result.z:.1f}, largest by chance {result.threshold:.1f})"
        for finding in findings
        for side, result in finding.sides.items()
        if not result.holds
    ]


def exact_on(findings: Sequence[Finding], side: Side) -> list[str]:
    """Names of the problems on which this side shows no bias."""
    return [finding.problem.name for finding in findings if finding.sides[side].holds]


def resolution(findings: Sequence[Finding]) -> float:
    """The relative error that would have been found in any gradient of any problem."""
    return max(
        result.detectable
        for finding in findings
        for side, result in finding.sides.items()
        if side != "loss"
    )
