"""Names that the literature has for estimators that are here under another one."""

SYNONYMS = {
    "binary_concrete": "gumbel_sigmoid",
    "bitflip_1": "bitflip",
    "darn": "reinmax",
    "decoupled_st": "sigmoid_st estimator.forward=false estimator.evaluation=false",
    "fini_2": "reinmax",
    "gst": "gapped_st",
    "leg": "local_expectation",
    "loorf": "rloo",
    "measure_valued": "local_expectation",
    "nvil": "reinforce_nvil",
    "reinforce_loo": "rloo",
    "u2g": "disarm",
    "zgr": "reinmax",
}
"""Name in lower case, with underscores -> what selects it, after estimator=."""


def synonym(name: str) -> str | None:
    """What to write for a name of the literature, e.g. estimator=reinmax for ZGR."""
    known = SYNONYMS.get(name.lower().replace("-", "_"))
    return known and f"estimator={known}"
