"""Names of the literature lead to the estimators that are here under another name."""

import pytest
import torch
from hydra.errors import MissingConfigException

import bnrun
from bnrun.config.compose import composed
from bnrun.config.paths import CONFIGS
from bnrun.config.synonyms import SYNONYMS, synonym


@pytest.mark.parametrize("name", SYNONYMS)
def test_a_name_of_the_literature_is_no_choice_and_leads_to_one(name):
    assert not (CONFIGS / "estimator" / f"{name}.yaml").exists()
    words = synonym(name).split()
    assert composed(words).estimator._target_
    with pytest.raises(MissingConfigException) as refused:
        bnrun.load_estimator(name)
    assert refused.value.__notes__ == [f"{name}: that is {' '.join(words)}"]


def test_capitals_and_hyphens_do_not_matter():
    assert synonym("ZGR") == synonym("Fini-2") == synonym("DARN") == "estimator=reinmax"
    assert synonym("reinmax") is None


def test_decoupled_st_fires_at_one_slope_and_differentiates_another():
    fields = {"forward": False, "evaluation": False, "slope": 3.0}
    estimator = bnrun.load_estimator("sigmoid_st", **fields)
    assert estimator.firing_neuron.slope == estimator.evaluation_neuron.slope == 1.0
    logits = torch.tensor([[[0.4]]], dtype=torch.float64, requires_grad=True)
    estimator(logits, lambda bits: bits.sum(-1), bnrun.Noise([0])).sum().backward()
    q = torch.sigmoid(3 * logits.detach())
    assert torch.allclose(logits.grad, 3 * q * (1 - q))
