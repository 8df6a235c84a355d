"""Scores and pictures of the images that a generator makes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bnrun.core.network import Fired, Network
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.tasks.base import Observed
from bnrun.tasks.gan.image_scores import bars, histogram, image_scores, isolated, sigmoid_scores
from bnrun.tasks.gan.judge import Judge
from bnrun.tasks.tools.ways import Scores

WAYS = ("thresholded", "sampled", "mean_field")
"""Ways of evaluating a generator. There is no "averaged": a mean of images is not an image."""

SHOWN = 64  # images in a picture
LOGGED = 10_000  # values of each replica in a histogram


@dataclass(frozen=True)
class ImageEvaluation:
    """What is measured of generated images.

    judge       classifier that compares them with real ones
    shape       (1, height, width) of an image
    neighbours  k of precision and recall
    """

    judge: Judge
    shape: tuple[int, ...]
    neighbours: int

    @torch.no_grad()
    def scores(
        self,
        model: Network,
        neurons: Sequence[Neuron],
        latent: Tensor,
        real: Tensor,
        noise: Noise,
    ) -> Scores:
        """Return the scores of a set of generated images: score -> way -> [R], on the CPU.

        latent  latent variables of the generated images, [R, N, latent]
        real    pixels of real images, [M, U]

        Ways: "thresholded" and "sampled" bits, which are hard thresholding and Bernoulli sampling
        of the same sigmoid outputs, and "mean_field", these outputs themselves. Isolated pixels
        are counted among bits; the histogram is of sigmoid outputs.
        """
        result: Scores = {}
        for way, images in generated(model, neurons, latent, noise):
            scores = image_scores(self.judge, images, real, self.neighbours)
            if way == "mean_field":
                scores |= sigmoid_scores(images)
            else:
                scores["isolated"] = isolated(images.unflatten(-1, self.shape[1:]))
            for score, values in scores.items():
                result.setdefault(score, {})[way] = values.double().cpu()
        return result

    @torch.no_grad()
    def observed(
        self, model: Network, neurons: Sequence[Neuron], latent: Tensor, noise: Noise
    ) -> Observed:
        """Return images of the first replica, and the sigmoid outputs of all."""
        pictures: dict[str, Tensor] = {}
        for way, images in generated(model, neurons, latent, noise):
            pictures[f"samples/{way}"] = 2 * images[0, :SHOWN].unflatten(-1, self.shape[1:]) - 1
        # The last way is mean-field, so `images` are sigmoid outputs.
        pictures["sigmoid_outputs/histogram"] = bars(histogram(images))
        values = images.flatten(1)[:, :: max(1, images[0].numel() // LOGGED)]
        accuracy = torch.full((len(noise.seeds),), self.judge.accuracy)
        return Observed(
            {"judge/accuracy": accuracy},
            {"sigmoid_outputs": values.cpu()},
            {name: picture.cpu() for name, picture in pictures.items()},
        )


def generated(
    model: Network, neurons: Sequence[Neuron], latent: Tensor, noise: Noise
) -> Iterator[tuple[str, Tensor]]:
    """Yield each way of evaluating, and the pixels [R, N, U] of the latent variables in it."""
    forward = model.passes(latent)
    for way in WAYS:
        firings = [getattr(neuron, way) for neuron in neurons]
        yield way, pixels(forward(neurons, firings, noise)[-1])


def pixels(fired: Fired) -> Tensor:
    """Activations as pixels in [0, 1]; those of a signed neuron are in [-1, 1]."""
    return (fired.activations + 1) / 2 if fired.neuron.signed else fired.activations
