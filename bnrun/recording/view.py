"""Which of a run's curves TensorBoard shows, and which of them with a band."""

from collections.abc import Collection
from dataclasses import dataclass

from bnrun.recording import tags
from bnrun.recording.tags import Measured, ScoreName

_MEASURED = ("bias", "variance", "cosine")


@dataclass(frozen=True)
class View:
    """What TensorBoard shows; the metrics file has every curve.

    A band is two more tags. With one around each curve, two thirds of all tags were their edges.

    goal    the score that the run is judged by, on validation; shown first
    hidden  ways of evaluating that say nothing about this net
    """

    goal: ScoreName | None = None
    hidden: Collection[str] = ()

    def shows(self, tag: str) -> bool:
        """Whether it has a curve."""
        score = ScoreName.parse(tag)
        return score is None or score.way not in self.hidden

    def has_band(self, tag: str) -> bool:
        """Whether the curve has a band: what seeds and estimators are compared by.

        That is the training loss, scores in the goal's way on validation and test, gradient norms
        at the logits, and the quality of measured gradients.
        """
        if score := ScoreName.parse(tag):
            return score.split != "train" and (self.goal is None or score.way == self.goal.way)
        if measured := Measured.parse(tag):
            return measured.place == tags.TOTAL and measured.statistic in _MEASURED
        return tag == tags.TRAINING_LOSS or tags.is_logits_gradient(tag)
