"""The figure of an estimator: the gradient with respect to one unit's logit, against the logit."""

from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from torch import Tensor

from bnrun.conformance.measurement import EstimatorFunction
from bnrun.core.noise import Noise

LOGITS = torch.linspace(-4, 4, 161, dtype=torch.float64)
# Chunks take 80 MB. At the ends, where a bit has probability 1.8 %, 10,000 draws include it.
CHUNKS, DRAWS = 10, 1000

# Each has a contrast of at least 3.5 with white and with GitHub's dark page.
FIRED, SILENT, GREY = "#2f81f7", "#d9730d", "#808080"
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "bnrun",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8,
    "text.color": GREY,
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


class Response(NamedTuple):
    """Gradients with respect to the logit of one unit, of the loss f(b) = b; each [G].

    mean, deviation  over draws
    silent, fired    the gradient if the bit is 0 and if it is 1; None if it depends on more
    """

    mean: Tensor
    deviation: Tensor
    silent: Tensor | None = None
    fired: Tensor | None = None


def measure_response(estimator: EstimatorFunction, warm_up: int) -> Response:
    """The gradients at LOGITS, after `warm_up` calls in which the estimator may learn."""
    noise = Noise([0], "figure")
    for _ in range(warm_up):
        _drawn(estimator, noise, 8)
    frozen = getattr(estimator, "frozen", lambda: estimator)()
    chunks = [_drawn(frozen, noise, DRAWS) for _ in range(CHUNKS)]
    gradients, activations = (torch.cat(tensors, -2) for tensors in zip(*chunks, strict=True))
    overall = gradients.mean(0), gradients.std(0)
    if overall[1].max() < 1e-9:
        return Response(*overall, overall[0], overall[0])
    if activations.shape != gradients.shape or set(activations.unique().tolist()) != {0.0, 1.0}:
        return Response(*overall)
    silent, fired = ((gradients * on).sum(0) / on.sum(0) for on in (1 - activations, activations))
    if torch.allclose(gradients, torch.where(activations > 0, fired, silent), atol=1e-9):
        return Response(*overall, silent, fired)
    return Response(*overall)


def _drawn(estimator: EstimatorFunction, noise: Noise, draws: int) -> tuple[Tensor, Tensor]:
    """Gradients [draws, G], and the activations of the first downstream call, [*S, draws, G]."""
    leaf = LOGITS.expand(draws, -1).reshape(draws, 1, -1, 1).clone().requires_grad_()
    calls: list[Tensor] = []

    def downstream(activations: Tensor) -> Tensor:
        calls.append(activations.detach()[..., 0, :, 0])
        return activations.squeeze(-1)

    (gradient,) = torch.autograd.grad(estimator(leaf, downstream, noise).sum(), leaf)
    return gradient[:, 0, :, 0], calls[0]


def save(response: Response, path: Path) -> None:
    """Write the figure as SVG; the same response gives the same bytes."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6, 2.3), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        _curves(axes, response)
        axes.set(xlabel="logit", ylabel="gradient", xlim=(-4, 4))
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
        figure.savefig(path, transparent=True, metadata={"Date": None})


def _curves(axes: Axes, response: Response) -> None:
    probability = torch.sigmoid(LOGITS)
    if response.silent is None or response.fired is None:
        low, high = response.mean - response.deviation, response.mean + response.deviation
        axes.fill_between(LOGITS, low, high, color=FIRED, alpha=0.25, lw=0, label="± 1 deviation")
        axes.plot(LOGITS, response.mean, color=FIRED, lw=1.6, label="mean")
    elif torch.allclose(response.silent, response.fired, atol=1e-9):
        axes.plot(LOGITS, response.fired, color=FIRED, lw=1.6, label="every draw")
    else:
        axes.plot(LOGITS, response.fired, color=FIRED, lw=1.6, label="bit 1")
        axes.plot(LOGITS, response.silent, color=SILENT, lw=1.6, label="bit 0")
    exact = probability * (1 - probability)
    axes.plot(LOGITS, exact, color=GREY, lw=1, ls="--", label="exact")
