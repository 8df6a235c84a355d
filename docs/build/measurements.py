"""Measurements of an estimator, stored in docs/estimators/<name>.json.

The pages are rendered from these files, so that new words in a docstring or a config need no new
measurement. Whether a file is still true is decided by a probe: a few estimates with fixed seeds,
stored as numbers. The file is out of date if the probe gives other numbers now, because the
formula, a default or the order of the random numbers has changed.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import estimator_figure
import torch
from catalogue import Entry, chosen_problems
from pydantic import BaseModel, ConfigDict

from bnrun.conformance import measurement
from bnrun.conformance.findings import Finding, assess
from bnrun.conformance.measurement import SIDES
from bnrun.conformance.timing import relative_time
from bnrun.core.noise import Noise
from bnrun.recording.files import replaced

FOLDER = Path(__file__).parents[1] / "estimators"

PRECISION = 0.003
"""Standard error of the gradient's scale: about three digits."""
WARM_UP = 500
"""Learning calls before measuring: five times the memory of the slowest running average."""
TIMINGS = 7


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class Row(_Stored):
    """The gradient of the first layer's logits on one problem, compared with the exact one.

    bias, z, threshold, detectable            see conformance.findings.Agreement
    variance, cosine_of_mean, cosine_of_draw  see conformance.findings.Finding
    evaluations, differentiated               of the head per call, all layers together
    """

    problem: str
    bias: float
    z: float
    threshold: float
    detectable: float
    variance: float
    cosine_of_mean: float
    cosine_of_draw: float
    draws: int
    evaluations: float
    differentiated: float

    @property
    def unbiased(self) -> bool:
        """Whether the draws show no bias."""
        return self.z <= self.threshold


class Measurements(_Stored):
    """All that was measured of one estimator.

    probe  a few projections of its estimates, by which to tell whether it still computes the same
    time   of a training step, relative to sigmoid_st; None if it refuses a layer of 100 units
    rows   one per problem
    """

    precision: float
    warm_up: int
    probe: list[float]
    time: float | None
    rows: list[Row]


def data_file(name: str) -> Path:
    """Where the measurements are stored."""
    return FOLDER / f"{name}.json"


def figure_file(name: str) -> Path:
    """Where the figure is."""
    return FOLDER / f"{name}.svg"


def read(name: str) -> Measurements:
    """The stored measurements of an estimator."""
    return Measurements.model_validate_json(data_file(name).read_text())


def reason_to_measure(entry: Entry) -> str | None:
    """Why the stored measurements cannot be used; None if they can."""
    if not (data_file(entry.name).exists() and figure_file(entry.name).exists()):
        return "not measured yet"
    stored = read(entry.name)
    if (stored.precision, stored.warm_up) != (PRECISION, WARM_UP):
        return "measured with other settings"
    # On another processor, sums may round differently.
    pairs = zip(stored.probe, probe(entry), strict=True)
    same = all(math.isclose(old, new, rel_tol=1e-6, abs_tol=1e-6) for old, new in pairs)
    return None if same else "its estimates are not those that were measured"


def store(entry: Entry) -> None:
    """Measure an estimator and write its data file and its figure."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    response = estimator_figure.measure_response(entry.build(entry.neuron()), _warm_up(entry))
    estimator_figure.save(response, figure_file(entry.name))
    measured = Measurements(
        precision=PRECISION,
        warm_up=WARM_UP,
        probe=probe(entry),
        time=_time(entry),
        rows=rows(entry),
    )
    with replaced(data_file(entry.name)) as file:
        file.write(measured.model_dump_json(indent=1).encode() + b"\n")


def probe(entry: Entry) -> list[float]:
    """For each problem and side, a projection of the estimates of the third call."""
    numbers = []
    for problem in chosen_problems():
        neuron = entry.neuron(signed=problem.signed)
        estimators = [entry.build(neuron) for _ in range(problem.depth)]
        noise = Noise(range(problem.replicas), "probe")
        for _ in range(3):
            drawn = measurement.draw(problem, estimators, noise, 4)
        for side in SIDES:
            weights = torch.arange(drawn[side].numel(), dtype=torch.float64).cos()
            numbers.append(_rounded(float(drawn[side].flatten() @ weights)))
    return numbers


def rows(entry: Entry) -> list[Row]:
    """The comparison with the exact gradient on each problem, with fixed seeds."""
    return [_row(finding) for finding in _findings(entry)]


def _findings(entry: Entry) -> Sequence[Finding]:
    return [
        assess(
            measurement.measure(
                entry.build, problem, entry.neuron(), PRECISION, warm_up=_warm_up(entry)
            )
        )
        for problem in chosen_problems()
    ]


def _row(finding: Finding) -> Row:
    agreement = finding.sides["logits"]
    return Row(
        problem=finding.problem.name,
        bias=_rounded(agreement.bias),
        z=_rounded(agreement.z),
        threshold=_rounded(agreement.threshold),
        detectable=_rounded(agreement.detectable),
        variance=_rounded(finding.variance),
        cosine_of_mean=_rounded(finding.cosine_of_mean),
        cosine_of_draw=_rounded(finding.cosine_of_draw),
        draws=finding.draws,
        evaluations=finding.evaluations.total,
        differentiated=finding.evaluations.differentiated,
    )


def _time(entry: Entry) -> float | None:
    try:
        times = [relative_time(entry.build, entry.neuron()) for _ in range(TIMINGS)]
    except ValueError:
        return None  # it refuses a layer of that width
    return round(median(times), 2)


def _warm_up(entry: Entry) -> int:
    return WARM_UP if entry.learns else 0


def _rounded(number: float) -> float:
    return float(f"{number:.9g}")
