"""The names of all curves: every tag is built and parsed here.

The parts of a tag are separated by slashes; the first is its section in TensorBoard. Layers count
from 1.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple, Self

SPLITS = ("train", "validation", "test")

TRAINING_LOSS = "loss/train"
LEARNING_RATE = "schedule/learning_rate"
SPEED = "speed/steps_per_second"

MEASURED = "gradients"
"""The tags of all measured gradients start with this."""
IN_USE = "in_use"
"""The estimator that trains the net, among those whose gradients are measured."""
TOTAL = "total"
"""All binary layers together, in place of a layer's name."""
EVALUATIONS = "evaluations"

ABOUT, CONFIG, OUTCOME = "run/about", "run/config", "run/outcome"
"""Texts of a run."""
GROUP_ABOUT = "group/about"


class ScoreName(NamedTuple):
    """A score, e.g. test, accuracy, sampled.

    way  of evaluating, followed by e.g. "_slope_2" if it was evaluated with another slope
    """

    split: str
    score: str
    way: str

    @property
    def tag(self) -> str:
        """Tag of its curve."""
        return f"{self.score}/{self.split}/{self.way}"

    @property
    def hparam(self) -> str:
        """Tag of its final value, which the HParams tab shows."""
        return f"score/{self.split}/{self.score}/{self.way}"

    @property
    def goal_hparam(self) -> str:
        """The same for the score that a run is judged by, whose column comes first."""
        return f"_goal/final: {self.split} {self.score} {self.way.replace('_', '-')}"

    def at_slope(self, slope: float) -> Self:
        """The same score, evaluated with this slope of all neurons."""
        return self._replace(way=f"{self.way}_slope_{slope:g}")

    @classmethod
    def parse(cls, tag: str) -> Self | None:
        """The score that a curve shows; None for any other curve."""
        match tag.split("/"):
            case [score, split, way] if split in SPLITS:
                return cls(split, score, way)
            case _:
                return None


def layer(number: int) -> str:
    """A layer's name in tags."""
    return f"layer{number}"


_LOGITS_GRADIENT = "gradient/logits/"


def logits_gradient(number: int) -> str:
    """Norm of the gradient with respect to the logits of a layer."""
    return f"{_LOGITS_GRADIENT}{layer(number)}"


def is_logits_gradient(tag: str) -> bool:
    """Whether the curve is such a norm, of any layer."""
    return tag.startswith(_LOGITS_GRADIENT)


def parameter_gradient(name: str) -> str:
    """Norm of the gradient with respect to a parameter."""
    return f"gradient/parameter/{name}"


def schedule(number: int, name: str) -> str:
    """A value that is scheduled for a layer, e.g. its slope."""
    return f"schedule/{layer(number)}/{name}"


def is_of_updates(tag: str) -> bool:
    """Whether a curve is about single updates; the others have a point before the first one."""
    return tag == TRAINING_LOSS or section(tag) in ("gradient", "schedule")


def gap(score: str, split: str) -> str:
    """A score with probabilities in place of bits, minus the same with thresholded bits."""
    return f"gap/{score}/{split}"


_UNITS = "units/"


def units(number: int, statistic: str) -> str:
    """A statistic of the units of a layer."""
    return f"{_UNITS}{layer(number)}/{statistic}"


def parse_units(tag: str) -> str | None:
    """Layer and statistic, e.g. "layer1/firing_rate"; None for any other curve."""
    return tag.removeprefix(_UNITS) if tag.startswith(_UNITS) else None


def logits_histogram(number: int) -> str:
    """Histogram of the logits of a layer."""
    return f"logits/{layer(number)}"


def filters(number: int) -> str:
    """Picture of the incoming weights of a layer."""
    return f"weights/{layer(number)}"


class Measured(NamedTuple):
    """A statistic of gradient estimates.

    group      "gradients", or "gradients_vs_sbn" if the reference is the gradient of an SBN
    estimator  its name, IN_USE, or "reference-" followed by the name of the reference
    place      a layer, or TOTAL
    statistic  e.g. cosine
    """

    group: str
    estimator: str
    place: str
    statistic: str

    @property
    def tag(self) -> str:
        """Tag of its curve."""
        return "/".join(self)

    @classmethod
    def parse(cls, tag: str) -> Self | None:
        """The statistic that a curve shows; None for any other curve."""
        match tag.split("/"):
            case [group, estimator, place, statistic] if group.startswith(MEASURED):
                return cls(group, estimator, place, statistic)
            case _:
                return None


def measured_group(deterministic: bool) -> str:
    """The group of all measured gradients, by the kind of neuron that is measured."""
    return f"{MEASURED}_vs_sbn" if deterministic else MEASURED


def with_fields(name: str, fields: Mapping[str, object]) -> str:
    """Name of a measured estimator whose fields are not those of its yaml, e.g. rloo-samples=2."""
    return "-".join([name, *(f"{field}={str(value).lower()}" for field, value in fields.items())])


def reference(name: str) -> str:
    """Name of the reference among the measured estimators."""
    return f"reference-{name}"


def measured_evaluations(group: str, estimator: str) -> str:
    """Downstream evaluations that an estimator takes per draw."""
    return f"{group}/{estimator}/{EVALUATIONS}"


def parse_measured_evaluations(tag: str) -> str | None:
    """The estimator; None for any other curve."""
    match = re.fullmatch(rf"{MEASURED}\w*/([^/]+)/{EVALUATIONS}", tag)
    return match and match[1]


def averaged(statistic: str, draws: int) -> str:
    """Name of a statistic of the average of several draws, e.g. cosine_10."""
    return f"{statistic}_{draws}"


def parse_averaged(statistic: str) -> tuple[str, int] | None:
    """The statistic and its number of draws; None for a statistic of single draws."""
    name, _, draws = statistic.rpartition("_")
    return (name, int(draws)) if draws.isdecimal() else None


def goal(name: ScoreName) -> str:
    """The curve of the score that a run is judged by, once more, in the first section.

    TensorBoard sorts sections by the parts between underscores, so that this one comes first.
    """
    return f"_goal/curve: {name.split} {name.score} {name.way.replace('_', '-')}"


def band(tag: str) -> tuple[str, str]:
    """The lower and the upper edge of a curve's band, in the last section."""
    return f"zz_band/lower/{tag}", f"zz_band/upper/{tag}"


def section(tag: str) -> str:
    """The first part, by which TensorBoard groups charts."""
    return tag.partition("/")[0]
