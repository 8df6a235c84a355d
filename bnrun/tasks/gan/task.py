"""Generative adversarial nets: a binary layer of pixels, trained against a critic."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field, replace
from typing import Any, ClassVar

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.optim import Optimizer

from bnrun.core.fields import NonNegativeInt, PositiveInt
from bnrun.core.network import Network, Pass
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise, stream
from bnrun.data.base import Data, Split
from bnrun.data.errors import DataError
from bnrun.models.critic import Critic
from bnrun.recording.result import Goal
from bnrun.tasks.base import Observed, Task
from bnrun.tasks.classification import require_classes
from bnrun.tasks.gan.evaluation import ImageEvaluation, pixels
from bnrun.tasks.gan.games import Game
from bnrun.tasks.gan.judge import Judge
from bnrun.tasks.gan.opponent import Opponent
from bnrun.tasks.tools.ways import Scores


@dataclass(config=ConfigDict(extra="forbid"))
class Gan(Task):
    """A net from latent variables to pixels, its last binary layer; the head is not used.

    The critic belongs to the task: one per replica, with its own initial weights, real batches and
    noise streams. All images are bits, 1[pixel > threshold].

    game          losses of critic and generator
    critic        the critic's net
    optimizer     makes the critic's optimizer from its parameters
    batch_size    real and generated images per update of the critic and seed
    latent        number of standard normal latent variables
    threshold     real pixels above it are 1
    all_images    whether the critic sees the real images of all splits, as in BinaryGAN, or only
                  those of the training split
    critic_steps  updates of the critic before each update of the generator
    many_steps    the same before the first `first` updates of the generator, and before every
                  `every`-th (0 for never)
    same_batch    whether these updates of the critic all use the latent variables and real images
                  of the generator's update that follows, as in BinaryGAN's code, or each its own
    judge_steps   updates of the classifier that judges images (see bnrun.tasks.gan.judge)
    images        maximum number of generated, and of real, images in the scores of a split
    neighbours    k of precision and recall

    What the task learns is not a setting: `prepared` trains the judge, kept in `evaluation`, and
    `begin` builds the `opponent`, the critic with its optimizer. Only the opponent changes later.

    The goal is f1 because precision alone is won by one perfect digit, and recall alone by images
    of everything.

    Source: Dong, Yang, Training Generative Adversarial Networks with Binary Neurons by End-to-end
    Backpropagation (2018), arXiv 1810.04714.
    """

    goal: ClassVar[Goal] = {"score": "f1", "way": None, "larger_is_better": True}

    game: Game
    critic: Critic
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer]
    batch_size: PositiveInt = 64
    latent: PositiveInt = 128
    threshold: float = 0.0
    all_images: bool = True
    critic_steps: PositiveInt = 5
    many_steps: PositiveInt = 100
    first: NonNegativeInt = 25
    every: NonNegativeInt = 500
    same_batch: bool = False
    judge_steps: PositiveInt = 2500
    images: PositiveInt = 1000
    neighbours: PositiveInt = 3

    evaluation: ImageEvaluation = field(init=False, repr=False, compare=False)
    opponent: Opponent = field(init=False, repr=False, compare=False)

    def prepared(self, data: Data) -> Data:
        """Return latent variables as inputs, binary images [N, U] as targets. Trains the judge.

        Raises ValueError if the data are not grey images, or have no classes for the judge.
        """
        if len(data.shape) != 3 or data.shape[0] != 1 or data.classes < 2:
            raise ValueError(
                f"task=gan needs grey images with classes, by which they are judged, but dataset="
                f"{data.name} has {data.classes} classes and inputs of shape {data.shape}: choose "
                f"dataset=mnist or dataset=digits"
            )
        require_classes(data, "gan")
        self._check_images(data)
        splits = [self._binary(split) for split in (data.train, data.validation, data.test)]
        binary = replace(data, train=splits[0], validation=splits[1], test=splits[2])
        judge = Judge.trained(binary, self.judge_steps)
        self.evaluation = ImageEvaluation(judge, data.shape, self.neighbours)
        train, validation, test = (split.inputs.flatten(1) for split in splits)
        if self.all_images:
            train = torch.cat([train, validation, test])
        return replace(
            data,
            train=self._split("train", train),
            validation=self._split("validation", validation),
            test=self._split("test", test),
            shape=(self.latent,),
            classes=0,
        )

    def outputs(self, data: Data) -> int:
        """Return the number of pixels of an image."""
        return data.train.targets.shape[1]

    def begin(self, model: Network, data: Data, seeds: Sequence[int]) -> None:
        """Build the critic. Raises ValueError if the last binary layer is not an image."""
        size = self.outputs(data)
        if model.units[-1] != size:
            raise ValueError(
                f"task=gan takes the last binary layer as the image of {size} pixels, but the "
                f"model's has {model.units[-1]} units: choose model=generator_mlp"
            )
        real = data.train.targets
        critic = self.critic.build(self.evaluation.shape, seeds).to(real.device)
        self.evaluation.judge.net.to(real.device)
        optimizer = self.optimizer(critic.parameters())
        self.opponent = Opponent(critic, optimizer, real, seeds, self.batch_size)

    def drawn(self, batch: Split, noise: Noise) -> Split:
        """Return the batch with new latent variables."""
        return Split(noise.normal(batch.inputs), batch.targets)

    def before_update(
        self, model: Network, neurons: Sequence[Neuron], step: int, batch: Split
    ) -> None:
        """Train the critic on generated images, as the neurons fire in training."""
        shared = batch if self.same_batch else None

        def generate(real: Tensor, noise: Noise) -> Tensor:
            if shared is None:
                latent = noise.normal(real.new_empty(*real.shape[:-1], self.latent))
            else:
                latent = shared.inputs
            firings = [getattr(neuron, neuron.mode) for neuron in neurons]
            return pixels(model.passes(latent)(neurons, firings, noise)[-1])

        real = None if shared is None else shared.targets
        self.opponent.learn(self.game, self.critic_steps_before(step), generate, real)

    def critic_steps_before(self, step: int) -> int:
        """Return the critic's updates before the generator's update number `step`, from 0."""
        many = step < self.first or (self.every and step % self.every == 0)
        return self.many_steps if many else self.critic_steps

    def loss(self, model: Network, batch: Split, fired: Pass) -> Tensor:
        ratings: Tensor = self.opponent.critic(pixels(fired[-1]))
        return self.game.generator_loss(ratings.squeeze(-1))

    @torch.no_grad()
    def evaluate(
        self, model: Network, neurons: Sequence[Neuron], split: Split, noise: Noise, samples: int
    ) -> Scores:
        """Return the scores of generated images beside as many real ones: score -> way -> [R]."""
        real = split.targets[: self.images]
        latent = noise.normal(real.new_empty(len(noise.seeds), len(real), self.latent))
        return self.evaluation.scores(model, neurons, latent, real, noise)

    @torch.no_grad()
    def observed(
        self, model: Network, neurons: Sequence[Neuron], split: Split, noise: Noise
    ) -> Observed:
        """Return images of the first replica, from the same latent variables every time."""
        latent = split.inputs[: self.images]
        latent = latent.expand(len(noise.seeds), *latent.shape)
        return self.evaluation.observed(model, neurons, latent, noise)

    def state_dict(self) -> dict[str, Any]:
        return self.opponent.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.opponent.load_state_dict(state)

    def _binary(self, split: Split) -> Split:
        bits = (split.inputs > self.threshold).to(torch.get_default_dtype())
        return Split(bits, split.targets)

    def _check_images(self, data: Data) -> None:
        """Raises DataError for what makes the scores of images senseless in any split."""
        for name, split in data.splits.items():
            bits = split.inputs > self.threshold
            if bool(bits.all()) or not bool(bits.any()):
                raise DataError(
                    f"task.threshold={self.threshold}: every pixel of dataset={data.name}'s "
                    f"{name}_inputs is {'above' if bool(bits.all()) else 'at or below'} it, so all "
                    f"images are alike: choose a threshold between dark and bright"
                )
            if min(len(bits), self.images) <= self.neighbours:
                raise DataError(
                    f"task.neighbours={self.neighbours} needs more images than that in every "
                    f"split, but there are {min(len(bits), self.images)} (dataset={data.name}'s "
                    f"{name} has {len(bits)}, task.images={self.images}): choose fewer neighbours"
                )

    def _split(self, name: str, images: Tensor) -> Split:
        """Use fixed latent variables as inputs; `drawn` replaces them in training."""
        normal = stream(0, "latent", name).standard_normal((len(images), self.latent), "float32")
        return Split(torch.from_numpy(normal).to(images.dtype), images)
