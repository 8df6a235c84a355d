"""The CNN and ResNet-8 of bnrun in JAX, for images of 28 x 28 pixels."""

import jax
import jax.numpy as jnp
from jax import lax
from jax_rival import Net, bits, cross_entropy

EPSILON = 1e-5


def cnn() -> Net:
    """configs/model/cnn.yaml: convolution, pooling, layer norm and bits, twice; a dense layer."""
    return Net(_cnn_initial, _cnn_loss)


def resnet(width: int = 16) -> Net:
    """configs/model/resnet.yaml with one block per stage, without running statistics."""
    maps = [width << stage for stage in range(3) for _ in range(2)]

    def initial(key):
        keys = iter(jax.random.split(key, 2 + 2 * len(maps)))
        parameters = {
            "stem": (_weight(next(keys), 3, 3, 1, width), *_norm(width)),
            "units": [],
            "head": (_weight(next(keys), maps[-1], 10), jnp.zeros(10)),
        }
        for before, after in zip([width, *maps], maps, strict=False):
            unit = {"conv": (_weight(next(keys), 3, 3, before, after), *_norm(after))}
            if before != after:
                unit["skip"] = (_weight(next(keys), 1, 1, before, after), *_norm(after))
            parameters["units"].append(unit)
        return parameters

    return Net(initial, _resnet_loss)


def _weight(key, *shape):
    bound = (jnp.prod(jnp.array(shape[:-1])) ** -0.5).astype(jnp.float32)
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


def _norm(*shape):
    return jnp.ones(shape), jnp.zeros(shape)


def _convolved(x, weight, stride=1):
    """As one product: XLA's own convolution takes many times as long to train on a CPU."""
    side, _, maps, outputs = weight.shape
    padded = jnp.pad(x, ((0, 0), (side // 2,) * 2, (side // 2,) * 2, (0, 0)))
    rows, columns = x.shape[1], x.shape[2]
    shifted = [
        padded[:, i : i + rows : stride, j : j + columns : stride]
        for i in range(side)
        for j in range(side)
    ]
    return jnp.concatenate(shifted, -1) @ weight.reshape(side * side * maps, outputs)


def _normalized(x, axes, scale, shift):
    mean = x.mean(axes, keepdims=True)
    variance = jnp.square(x - mean).mean(axes, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + EPSILON) * scale + shift


def _fired(logits, key):
    return bits(logits, jax.random.uniform(key, logits.shape))


def _cnn_initial(key):
    keys = jax.random.split(key, 4)
    return {
        "convs": [
            (_weight(keys[0], 3, 3, 1, 16), jnp.zeros(16), *_norm(16)),
            (_weight(keys[1], 3, 3, 16, 32), jnp.zeros(32), *_norm(32)),
        ],
        "dense": (_weight(keys[2], 32 * 7 * 7, 128), jnp.zeros(128), *_norm(128)),
        "head": (_weight(keys[3], 128, 10), jnp.zeros(10)),
    }


def _cnn_loss(parameters, inputs, targets, key):
    keys = jax.random.split(key, 3)
    x = inputs.reshape(-1, 28, 28, 1)
    for (weight, bias, *norm), draw in zip(parameters["convs"], keys[:2], strict=True):
        x = _convolved(x, weight) + bias
        rows, columns = x.shape[1] // 2, x.shape[2] // 2
        # Half the time of lax.reduce_window, whose derivative is slow on a CPU.
        x = x.reshape(len(x), rows, 2, columns, 2, -1).max((2, 4))
        x = _fired(_normalized(x, (1, 2, 3), *norm), draw)
    weight, bias, *norm = parameters["dense"]
    x = x.reshape(len(x), -1) @ weight + bias
    x = _fired(_normalized(x, (1,), *norm), keys[2])
    return cross_entropy(x @ parameters["head"][0] + parameters["head"][1], targets)


def _resnet_loss(parameters, inputs, targets, key):
    axes = (0, 1, 2)
    weight, *norm = parameters["stem"]
    x = _normalized(_convolved(inputs.reshape(-1, 28, 28, 1), weight), axes, *norm)
    keys = jax.random.split(key, len(parameters["units"]))
    for unit, draw in zip(parameters["units"], keys, strict=True):
        weight, *norm = unit["conv"]
        stride = 2 if "skip" in unit else 1
        y = _normalized(_convolved(_fired(x, draw), weight, stride), axes, *norm)
        if "skip" in unit:
            weight, *norm = unit["skip"]
            rows, columns = x.shape[1] // 2, x.shape[2] // 2
            x = x.reshape(len(x), rows, 2, columns, 2, -1).mean((2, 4))
            x = _normalized(_convolved(x, weight), axes, *norm)
        x = y + x
    return cross_entropy(x.mean((1, 2)) @ parameters["head"][0] + parameters["head"][1], targets)
