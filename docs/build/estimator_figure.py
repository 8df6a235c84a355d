"""Figure of what an estimator sends back to one unit, against the unit's logit."""

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
# In chunks of 80 MB; at the ends, a bit of probability 1.8 % would have to fail 10,000 times.
CHUNKS, DRAWS = 10, 1000

# Each has a contrast of 3.5 or more with white and with GitHub's dark page.
FIRED, SILENT, QUIET = "#2f81f7", "#d9730d", "#808080"
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "bnrun",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8,
    "text.color": QUIET,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": QUIET,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


class Response(NamedTuple):
    """Gradients by the logit of one unit whose loss is its activation, f(b) = b; each [G].

    mean, deviation  over draws
    silent, fired    the gradient where the bit is 0 and where it is 1, if that is all it depends on
    """

    mean: Tensor
    deviation: Tensor
    silent: Tensor | None = None
    fired: Tensor | None = None


def response(estimator: EstimatorFunction, warm_up: int) -> Response:
    """What comes back at LOGITS, after `warm_up` calls in which a learner has learned."""
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


def save(seen: Response, path: Path) -> None:
    """Write the figure as SVG, the same bytes for the same response."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6, 2.3), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        _curves(axes, seen)
        axes.set(xlabel="logit", ylabel="gradient", xlim=(-4, 4))
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
        figure.savefig(path, transparent=True, metadata={"Date": None})


def _curves(axes: Axes, seen: Response) -> None:
    probability = torch.sigmoid(LOGITS)
    if seen.silent is None or seen.fired is None:
        low, high = seen.mean - seen.deviation, seen.mean + seen.deviation
        axes.fill_between(LOGITS, low, high, color=FIRED, alpha=0.25, lw=0, label="± 1 deviation")
        axes.plot(LOGITS, seen.mean, color=FIRED, lw=1.6, label="mean")
    elif torch.allclose(seen.silent, seen.fired, atol=1e-9):
        axes.plot(LOGITS, seen.fired, color=FIRED, lw=1.6, label="every draw")
    else:
        axes.plot(LOGITS, seen.fired, color=FIRED, lw=1.6, label="bit 1")
        axes.plot(LOGITS, seen.silent, color=SILENT, lw=1.6, label="bit 0")
    exact = probability * (1 - probability)
    axes.plot(LOGITS, exact, color=QUIET, lw=1, ls="--", label="exact")
