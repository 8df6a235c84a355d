"""Whether draws agree with the exact gradient, and what that is in plain words."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import torch

from bnrun.conformance.measurement import SIDES, Evaluations, Measurement, Side
from bnrun.conformance.problems import Problem
from bnrun.measurement import gradients

STANDARD_ERRORS = 4.5
"""How far one coordinate may be off; with more coordinates the bound moves out."""
POWER = 0.9
"""Chance with which an error of size `Agreement.detectable` fails, on one net and one side."""

WORDS: dict[Side, str] = {
    "logits": "gradient by the logits",
    "upstream": "gradient by the weights before the layer",
    "downstream": "gradient by the weights after the layer",
    "loss": "value of the loss",
}


def threshold(coordinates: int) -> float:
    """Largest |z| of so many coordinates that passes: 4.5 for one, corrected by Bonferroni."""
    return -NormalDist().inv_cdf(NormalDist().cdf(-STANDARD_ERRORS) / coordinates)


@dataclass(frozen=True)
class Agreement:
    """One side of a measurement beside the exact one.

    z           largest distance of a mean from the exact value in standard errors: over all
                coordinates and the scale along the exact gradient
    threshold   largest z that passes
    bias        norm(bias) / norm(exact), debiased, 0 where the draws show none
    detectable  the relative error of the whole gradient that would fail in 9 of 10 tries
    """

    z: float
    threshold: float
    bias: float
    detectable: float

    @property
    def holds(self) -> bool:
        """Whether the draws show no bias. NaN does not hold."""
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
    """What a measurement says, without its draws.

    sides           how each side agrees with the exact one
    variance        trace of the covariance of one draw, in units of the squared exact gradient
    cosine_of_mean  between the mean of the draws and the exact gradient
    cosine_of_draw  the mean over single draws
    draws           how many there were
    evaluations     of one call

    Variance and cosines are those of the gradient by the first layer's logits.
    """

    problem: Problem
    sides: dict[Side, Agreement]
    variance: float
    cosine_of_mean: float
    cosine_of_draw: float
    draws: int
    evaluations: Evaluations


def assess(measurement: Measurement) -> Finding:
    """Compare a measurement with the exact gradient."""
    draws, exact = measurement.draws["logits"], measurement.exact["logits"]
    return Finding(
        problem=measurement.problem,
        sides={side: agreement(measurement, side) for side in SIDES},
        variance=float(gradients.variance(draws) / exact.square().sum()),
        cosine_of_mean=float(gradients.cosine(draws.mean(0), exact)),
        cosine_of_draw=float(gradients.cosine_band(draws, exact).mean),
        draws=len(draws),
        evaluations=measurement.evaluations,
    )


def disagreements(findings: Sequence[Finding]) -> list[str]:
    """Every side of every problem that misses the exact one, a sentence each."""
    return [
        f"{finding.problem.name}: the {WORDS[side]} is off by {seen.bias:.1%} "
        f"(z = {seen.z:.1f}, chance ends at {seen.threshold:.1f})"
        for finding in findings
        for side, seen in finding.sides.items()
        if not seen.holds
    ]


def exact_on(findings: Sequence[Finding], side: Side) -> list[str]:
    """Names of the problems on which no bias shows."""
    return [finding.problem.name for finding in findings if finding.sides[side].holds]


def resolution(findings: Sequence[Finding]) -> float:
    """The relative error that would have been found in every gradient of every problem."""
    return max(
        seen.detectable
        for finding in findings
        for side, seen in finding.sides.items()
        if side != "loss"
    )
