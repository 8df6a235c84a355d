"""Small runs that measure gradients."""

from configured import built

SMALL = [
    "dtype=float64",
    "seeds=[3,7]",
    "trainer.steps=4",
    "gradients.every=1",
    "gradients.examples=6",
    "gradients.draws=2000",
    "gradients.max_units=6",
]
TWO_LAYERS = ["model.hidden=[3,2]", *SMALL]
ONE_LAYER = ["model.hidden=[4]", *SMALL]


def measured(words):
    (scalars,) = built(words).measured()
    return scalars
