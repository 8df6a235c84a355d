"""An independent reference: the gradients of storchastic, if it is installed (extra `peer`)."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import peer
import pytest
import torch
from all_estimators import UNBIASED
from torch import Tensor

from bnrun.conformance.findings import threshold
from bnrun.conformance.target import configured
from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise
from bnrun.measurement import gradients

pytestmark = pytest.mark.skipif(
    find_spec("storch") is None, reason="needs storchastic: pip install -e .[peer]"
)

LIKE_FOR_LIKE = {
    "reinforce": [],
    "rloo": ["samples=4"],
    "arm": [],
    "gumbel_sigmoid": [f"temperature={peer.TEMPERATURE}"],
    "st_gumbel": [f"temperature={peer.TEMPERATURE}"],
}
LIMIT = threshold(len(peer.LOGITS))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> dict[str, Tensor]:
    file = tmp_path_factory.mktemp("peer") / "draws.pt"
    subprocess.run([sys.executable, Path(peer.__file__), file], check=True)
    return {name: draws.double() for name, draws in torch.load(file).items()}


def our_draws(name: str, *fields: str) -> Tensor:
    """Draws of our estimator, [D, U]."""
    estimator = configured(name, fields=fields)(SBN())
    logits = peer.LOGITS.double().expand(peer.DRAWS, 1, 1, -1).clone().requires_grad_()
    mean = estimator(logits, peer.loss, Noise([0])).sum()
    return torch.autograd.grad(mean, logits)[0].flatten(1)


def test_exact_gradient_is_the_peer_s_enumeration(theirs):
    # storchastic computes in float32.
    torch.testing.assert_close(our_draws("exact")[0], theirs["exact"][0], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", [name for name in UNBIASED if name != "exact"])
def test_unbiased_estimator_agrees_with_the_peer_s_enumeration(theirs, name):
    z = gradients.z_scores(our_draws(name), theirs["exact"][0])
    assert z.abs().max() < LIMIT


@pytest.mark.parametrize("name", LIKE_FOR_LIKE)
def test_same_estimator_has_the_mean_and_the_variance_of_the_peer_s(theirs, name):
    ours, other = our_draws(name, *LIKE_FOR_LIKE[name]), theirs[name]
    z = gradients.z_scores(ours, other.mean(0), gradients.standard_error(other))
    assert z.abs().max() < LIMIT
    ours, other = ((draws - draws.mean(0)).square() for draws in (ours, other))
    z = gradients.z_scores(ours, other.mean(0), gradients.standard_error(other))
    assert z.abs().max() < LIMIT
