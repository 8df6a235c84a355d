"""Classification: cross-entropy and accuracy."""

from typing import ClassVar

from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.network import Network, Pass
from bnrun.data.base import Data, Split
from bnrun.data.errors import DataError
from bnrun.recording.result import Goal
from bnrun.tasks.base import ScoredTask


@validated
class Classification(ScoredTask):
    """One class per example. Outputs are unnormalised log-probabilities, [*S, R, B, classes].

    Scores: accuracy, and loss, the cross-entropy in nats.
    """

    goal: ClassVar[Goal] = {"score": "accuracy", "way": None, "larger_is_better": True}

    def prepared(self, data: Data) -> Data:
        """Return the data unchanged. Raises ValueError unless they have two classes or more."""
        require_classes(data, "classification")
        return data

    def outputs(self, data: Data) -> int:
        return data.classes

    def loss(self, model: Network, batch: Split, fired: Pass) -> Tensor:
        """Return the cross-entropy in nats, [*S, R, B]."""
        return cross_entropy(model.outputs(batch.inputs, fired), batch.targets)

    def scores(self, model: Network, batch: Split, fired: Pass) -> dict[str, Tensor]:
        return class_scores(model.outputs(batch.inputs, fired), batch.targets)

    def evidence(self, model: Network, batch: Split, fired: Pass) -> Tensor:
        """Return the log-probability of every class, [K, R, B, classes]."""
        outputs = model.outputs(batch.inputs, fired)
        return outputs - outputs.logsumexp(-1, keepdim=True)

    def averaged(self, evidence: Tensor, samples: int, batch: Split) -> dict[str, Tensor]:
        """Return the scores of the mean prediction; they do not depend on its normalisation."""
        return class_scores(evidence, batch.targets)


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy in nats of outputs [*S, R, B, classes] and targets [R, B]."""
    index = targets.expand(outputs.shape[:-1]).unsqueeze(-2)
    # Takes half the time of F.cross_entropy: torch's log_softmax is slow over rows of ten numbers.
    return -outputs.mT.log_softmax(-2).gather(-2, index).squeeze(-2)


def class_scores(outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Return whether the most probable class is right, and the cross-entropy, each [*S, R, B]."""
    return {
        "accuracy": (outputs.argmax(-1) == targets).to(outputs.dtype),
        "loss": cross_entropy(outputs, targets),
    }


def require_classes(data: Data, task: str) -> None:
    """Raises DataError unless the training examples are of two classes or more."""
    if not data.classes:
        raise DataError(
            f"task={task} needs a class for each example, but dataset={data.name} has none: choose "
            f"task=vae, or a dataset with classes, like mnist"
        )
    targets = data.train.targets
    if bool((targets == targets[0]).all()):
        raise DataError(
            f"task={task} needs examples of two classes or more, but every one of dataset="
            f"{data.name}'s train_targets is {int(targets[0])}: there is nothing to learn"
        )
