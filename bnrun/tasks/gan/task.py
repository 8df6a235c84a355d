"""Generative adversarial nets: a binary layer of pixels against a critic, a loss that learns."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bnrun.core.chain import Chain, Fired
from bnrun.core.fields import NonNegativeInt, PositiveInt, validated
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise, stream
from bnrun.data.base import Data, Split
from bnrun.models.critic import Critic
from bnrun.tasks.base import Goal, Observed, Pass, Task
from bnrun.tasks.gan.games import Game
from bnrun.tasks.gan.image_scores import bars, histogram, image_scores, isolated, sigmoid_scores
from bnrun.tasks.gan.judge import Judge
from bnrun.tasks.gan.opponent import Opponent
from bnrun.tasks.tools.ways import Scores, forward

WAYS = ("thresholded", "sampled", "mean_field")
"""Of evaluating a generator. Nothing is averaged: a mean of images is no image."""

SHOWN = 64


@validated
class Gan(Task):
    """A net from latent variables to pixels, its last binary layer; it has no use for a head.

    The critic is the task's own: one per replica, seeded by it, with real batches and noise
    streams that no other replica shares. All images are bits, 1[pixel > threshold].

    game          the losses of critic and generator
    critic        the critic's net
    optimizer     makes the critic's optimizer of its parameters
    batch_size    real and generated images per update of the critic and seed
    latent        number of standard normal latent variables
    threshold     real pixels above it are 1
    all_images    the critic sees the real images of all splits, as in BinaryGAN; else those of
                  the training split
    critic_steps  updates of the critic before each one of the generator
    many_steps    the same before the first `first` of the generator and before every `every`-th
                  (0 is never)
    same_batch    these updates of the critic all see the latent variables and real images of the
                  generator's update that follows, as in BinaryGAN's code; else each has its own
    judge_steps   updates of the classifier that judges images (see bnrun.tasks.gan.judge)
    images        generated, and real, images that the scores of a split are made of, at most
    neighbours    k of precision and recall

    The goal is f1, because neither precision nor recall can be: the first is had by one perfect
    digit, the second by images of everything.

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

    _shape: tuple[int, ...] = field(init=False, default=(), repr=False, compare=False)
    _judge: Judge | None = field(init=False, default=None, repr=False, compare=False)
    _opponent: Opponent | None = field(init=False, default=None, repr=False, compare=False)

    @property
    def judge(self) -> Judge:
        """The classifier of real images, once the data are prepared."""
        assert self._judge is not None
        return self._judge

    @property
    def opponent(self) -> Opponent:
        """The critic and what trains it, once the task has begun."""
        assert self._opponent is not None
        return self._opponent

    def prepared(self, data: Data) -> Data:
        """Latent variables for inputs, binary images [N, U] for targets. Trains the judge.

        Raises ValueError for data that are no grey images, or have no classes for the judge.
        """
        if len(data.shape) != 3 or data.shape[0] != 1 or data.classes < 2:
            raise ValueError(
                f"task=gan needs grey images with classes, by which they are judged, and dataset="
                f"{data.name} has {data.classes} classes and inputs of shape {data.shape}: choose "
                f"dataset=mnist or dataset=digits"
            )
        train, validation, test = (
            self._binary(s) for s in (data.train, data.validation, data.test)
        )
        binary = replace(data, train=train, validation=validation, test=test)
        self._keep(shape=data.shape, judge=Judge.trained(binary, self.judge_steps))
        images = [split.inputs.flatten(1) for split in (train, validation, test)]
        if self.all_images:
            images[0] = torch.cat(images)
        return replace(
            data,
            train=self._split("train", images[0]),
            validation=self._split("validation", images[1]),
            test=self._split("test", images[2]),
            shape=(self.latent,),
            classes=0,
        )

    def outputs(self, data: Data) -> int:
        """Pixels of an image."""
        return data.train.targets.shape[1]

    def begin(self, model: Chain, data: Data, seeds: Sequence[int]) -> None:
        """Build the critic. Raises ValueError for a net whose last layer is not the image."""
        pixels = self.outputs(data)
        if model.units[-1] != pixels:
            raise ValueError(
                f"task=gan takes the last binary layer for the image of {pixels} pixels, but the "
                f"model's has {model.units[-1]} units: choose model=generator_mlp"
            )
        real = data.train.targets
        critic = self.critic.build(self._shape, seeds).to(real.device)
        self.judge.net.to(real.device)
        optimizer = self.optimizer(critic.parameters())
        self._keep(opponent=Opponent(critic, optimizer, real, seeds, self.batch_size))

    def drawn(self, batch: Split, noise: Noise) -> Split:
        """The batch with fresh latent variables."""
        return Split(noise.normal(batch.inputs), batch.targets)

    def before_update(
        self, model: Chain, neurons: Sequence[Neuron], step: int, batch: Split
    ) -> None:
        """Train the critic on images of the net as its neurons fire."""
        shared = batch if self.same_batch else None

        def generate(real: Tensor, noise: Noise) -> Tensor:
            if shared is None:
                latent = noise.normal(real.new_empty(*real.shape[:-1], self.latent))
            else:
                latent = shared.inputs
            own = [getattr(neuron, neuron.mode) for neuron in neurons]
            return pixels(forward(model, neurons, own, model.stages[0](latent), noise)[-1])

        real = None if shared is None else shared.targets
        self.opponent.learn(self.game, self.critic_steps_before(step), generate, real)

    def critic_steps_before(self, step: int) -> int:
        """Updates of the critic before update number `step` of the generator, from 0."""
        many = step < self.first or (self.every and step % self.every == 0)
        return self.many_steps if many else self.critic_steps

    def loss(self, model: Chain, batch: Split, fired: Pass) -> Tensor:
        verdicts: Tensor = self.opponent.critic(pixels(fired[-1]))
        return self.game.generator_loss(verdicts.squeeze(-1))

    @torch.no_grad()
    def evaluate(
        self, model: Chain, neurons: Sequence[Neuron], split: Split, noise: Noise, samples: int
    ) -> Scores:
        """Scores of a set of generated images beside as many real ones: score -> way -> [R].

        Ways: "thresholded" and "sampled" bits, which are hard threshold and Bernoulli sampling of
        the same sigmoid outputs; "mean_field" is these outputs themselves. Isolated pixels are
        counted among bits, the histogram is made of sigmoid outputs; see image_scores.
        """
        real = split.targets[: self.images]
        latent = noise.normal(real.new_empty(len(noise.seeds), len(real), self.latent))
        found: Scores = {}
        for way, images in self._images(model, neurons, latent, noise):
            scores = image_scores(self.judge, images, real, self.neighbours)
            if way == "mean_field":
                scores |= sigmoid_scores(histogram(images))
            else:
                scores["isolated"] = isolated(images.unflatten(-1, self._shape[1:]))
            for score, values in scores.items():
                found.setdefault(score, {})[way] = values.double().cpu()
        return found

    @torch.no_grad()
    def observed(
        self, model: Chain, neurons: Sequence[Neuron], split: Split, noise: Noise
    ) -> Observed:
        """Images of the first replica, of the same latent variables each time; sigmoid outputs."""
        latent = split.inputs[: self.images]
        latent = latent.expand(len(noise.seeds), *latent.shape)
        shown: dict[str, Tensor] = {}
        for way, images in self._images(model, neurons, latent, noise):
            shown[f"samples/{way}"] = 2 * images[0, :SHOWN].unflatten(-1, self._shape[1:]) - 1
        # The last way is the mean field: these are sigmoid outputs.
        shown["sigmoid_outputs/histogram"] = bars(histogram(images))
        values = images.flatten(1)[:, :: max(1, images[0].numel() // 10_000)]
        accuracy = torch.full((len(noise.seeds),), self.judge.accuracy)
        return Observed(
            {"judge/accuracy": accuracy},
            {"sigmoid_outputs": values.cpu()},
            {name: picture.cpu() for name, picture in shown.items()},
        )

    def state_dict(self) -> dict[str, Any]:
        return self.opponent.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.opponent.load_state_dict(state)

    def _images(
        self, model: Chain, neurons: Sequence[Neuron], latent: Tensor, noise: Noise
    ) -> Iterator[tuple[str, Tensor]]:
        """The pixels of the latent variables [R, N, latent] in every way, [R, N, U]."""
        first = model.stages[0](latent)
        for way in WAYS:
            activations = [getattr(neuron, way) for neuron in neurons]
            yield way, pixels(forward(model, neurons, activations, first, noise)[-1])

    def _binary(self, split: Split) -> Split:
        bits = (split.inputs > self.threshold).to(torch.get_default_dtype())
        return Split(bits, split.targets)

    def _split(self, name: str, images: Tensor) -> Split:
        """With fixed latent variables for inputs; `drawn` puts fresh ones in their place."""
        normal = stream(0, "latent", name).standard_normal((len(images), self.latent), "float32")
        return Split(torch.from_numpy(normal).to(images.dtype), images)

    def _keep(self, **parts: Any) -> None:
        for name, part in parts.items():
            object.__setattr__(self, f"_{name}", part)


def pixels(fired: Fired) -> Tensor:
    """Activations as pixels in [0, 1], also those of a signed neuron."""
    return (fired.activations + 1) / 2 if fired.neuron.signed else fired.activations
