"""Scores of a set of generated images: do they look real, and is every kind among them?"""

import torch
import torch.nn.functional as F
from torch import Tensor

from bnrun.tasks.gan.judge import Judge

BINS = 256
"""Bins of the histogram of sigmoid outputs over [0, 1], as in figure 4 of BinaryGAN."""
NOTCH = (127 * 254 / 255 / BINS, 128 * 254 / 255 / BINS)
"""The bin that is empty in that figure, [.4941, .4980): of 256 bins from byte 0 to byte 254."""


def image_scores(
    judge: Judge, generated: Tensor, real: Tensor, neighbours: int
) -> dict[str, Tensor]:
    """Return the scores of generated pixels [R, N, U] against real ones [M, U], each [R].

    precision      share of generated images on the manifold of the real ones, see `covered`
    recall         share of real images on the manifold of the generated ones
    f1             harmonic mean of precision and recall
    class_entropy  entropy in nats of the classes that the judge predicts: log(classes) if all
                   are equally frequent, 0 if all images are of one class
    confidence     mean probability of the predicted class
    """
    features = judge.features(generated)
    truth = judge.features(real).expand(len(features), -1, -1)
    precision = covered(features, truth, neighbours)
    recall = covered(truth, features, neighbours)
    probabilities = judge.probabilities(features)
    predicted = F.one_hot(probabilities.argmax(-1), probabilities.shape[-1])
    return {
        "f1": 2 * precision * recall / (precision + recall).clamp(min=1e-12),
        "precision": precision,
        "recall": recall,
        "class_entropy": torch.special.entr(predicted.double().mean(1)).sum(-1),
        "confidence": probabilities.amax(-1).mean(-1),
    }


def covered(points: Tensor, among: Tensor, neighbours: int) -> Tensor:
    """Return the share of points [R, N, F] on the estimated manifold of others [R, M, F]; [R].

    The manifold is a union of balls: one around each of the others, which reaches its k-th nearest
    neighbour, k = `neighbours`.

    Source: Kynkaanniemi et al., Improved Precision and Recall Metric for Assessing Generative
    Models (2019), arXiv 1904.06991; there with VGG-16's features.
    """
    points, among = points.double(), among.double()
    # Each point is its own nearest neighbour, at distance 0.
    radii = torch.cdist(among, among).kthvalue(neighbours + 1, dim=-1).values
    inside = torch.cdist(points, among) <= radii.unsqueeze(-2)
    return inside.any(-1).double().mean(-1)


def isolated(images: Tensor) -> Tensor:
    """Return the share of pixels that differ from all eight neighbours, for bits [R, N, H, W]; [R].

    Pixels outside the image count as 0.
    """
    around = F.avg_pool2d(images.double(), 3, stride=1, padding=1) * 9 - images
    lone = torch.where(images > 0.5, around < 0.5, around > 7.5)
    return lone.double().mean((1, 2, 3))


def histogram(probabilities: Tensor) -> Tensor:
    """Return the share of values in each of 256 equal bins over [0, 1], [R, ...] -> [R, 256]."""
    bins = (probabilities.flatten(1) * BINS).long().clamp(0, BINS - 1)
    counts = torch.zeros(len(bins), BINS, dtype=torch.float64, device=bins.device)
    counts.scatter_add_(1, bins, torch.ones_like(bins, dtype=torch.float64))
    return counts / bins.shape[1]


def sigmoid_scores(probabilities: Tensor) -> dict[str, Tensor]:
    """Return what BinaryGAN's figure 4 shows of sigmoid outputs [R, ...], each [R].

    share_at_0    share of the first of 256 bins
    share_at_1    share of outputs that are exactly 1, the figure's last bin
    share_near_1  share of the last of 256 bins, about the figure's last two
    notch         1 - density in `NOTCH` / density beside it: 1 if no value is there, about 0 if the
                  histogram has no notch, NaN if there are no values beside it

    "Beside it" are 8 of 256 bins on either side, from 8 bins (.03) away.
    """
    values, shares = probabilities.flatten(1), histogram(probabilities)
    low, high = NOTCH
    inside = ((values >= low) & (values < high)).double().mean(1) / (high - low)
    middle = BINS // 2
    below, above = shares[:, middle - 16 : middle - 8], shares[:, middle + 8 : middle + 16]
    return {
        "share_at_0": shares[:, 0],
        "share_at_1": (values == 1).double().mean(1),
        "share_near_1": shares[:, -1],
        "notch": 1 - inside / BINS / torch.cat([below, above], 1).mean(1),
    }


def bars(shares: Tensor, height: int = 96) -> Tensor:
    """Draw histograms [N, bins] as images [N, height, bins], with a log scale from 1e-5 to 1."""
    levels = 1 + (shares.clamp(min=1e-5).log10() / 5)
    rows = torch.linspace(1, 0, height, dtype=shares.dtype, device=shares.device)
    return (levels.unsqueeze(-2) > rows.unsqueeze(-1)).to(shares.dtype) * 2 - 1
