"""(d) JAX: a jitted scan over steps, vmapped over seeds."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from stopwatch import Clock, Contender
from workload import BATCH, RATE, layers

from bnrun.data.base import Split

BETAS, EPS = (0.9, 0.999), 1e-8
# Steps compiled into one scan; `advance` rounds to a multiple of it.
SCAN = 10


@jax.custom_jvp
def bits(logits, uniforms):
    """1[u < sigmoid(logits)] with the derivative of the sigmoid."""
    return (uniforms < jax.nn.sigmoid(logits)).astype(logits.dtype)


@bits.defjvp
def _bits_jvp(primals, tangents):
    probability = jax.nn.sigmoid(primals[0])
    return bits(*primals), tangents[0] * probability * (1 - probability)


def contender(widths: Sequence[int], split: Split, seeds: int, prng: str) -> Contender:
    """`prng` is the random generator: threefry2x32 is JAX's default, rbg is faster."""
    inputs, targets = (jnp.asarray(part.flatten(1) if part.dim() > 1 else part) for part in split)
    if inputs.dtype != jnp.float32:
        raise TypeError(f"inputs are {inputs.dtype}, not float32")
    keys = jax.vmap(partial(jax.random.key, impl=prng))(jnp.arange(seeds))
    state = jax.vmap(partial(_initial, widths))(keys)
    run = jax.jit(jax.vmap(partial(_scan, inputs, targets)), donate_argnums=0)

    def advance(steps: int) -> None:
        nonlocal state
        for _ in range(max(1, round(steps / SCAN))):
            state = run(state)
        jax.block_until_ready(state)

    return _InScans(f"(d) JAX, {prng}", seeds, advance)


class _InScans(Contender):
    def warm_up(self, seconds: float, clock: Clock) -> None:
        self.advance(SCAN)
        start = clock()
        self.advance(SCAN)
        self.steps = SCAN * max(1, round(seconds / (clock() - start)))
        self.advance(self.steps)


def _initial(widths, key):
    parameters = []
    for number, (fan_in, fan_out) in enumerate(layers(widths)):
        bound = fan_in**-0.5
        draw = jax.random.fold_in(key, number)
        weight = jax.random.uniform(draw, (fan_in, fan_out), minval=-bound, maxval=bound)
        parameters.append((weight, jnp.zeros(fan_out)))
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    return parameters, zeros, jax.tree.map(jnp.zeros_like, parameters), jnp.zeros(()), key


def _scan(inputs, targets, state):
    order_key, key = jax.random.split(state[-1])
    rows = jax.random.randint(order_key, (SCAN, BATCH), 0, len(targets))
    state = (*state[:-1], key)
    state, _ = jax.lax.scan(lambda s, row: (_step(s, inputs[row], targets[row]), None), state, rows)
    return state


def _step(state, inputs, targets):
    parameters, mean, square, count, key = state
    key, *draws = jax.random.split(key, len(parameters))
    gradient = jax.grad(_loss)(parameters, inputs, targets, draws)
    count = count + 1
    mean = jax.tree.map(lambda m, g: BETAS[0] * m + (1 - BETAS[0]) * g, mean, gradient)
    square = jax.tree.map(lambda v, g: BETAS[1] * v + (1 - BETAS[1]) * g * g, square, gradient)
    first, second = 1 - BETAS[0] ** count, 1 - BETAS[1] ** count

    def updated(p, m, v):
        return p - RATE * (m / first) / (jnp.sqrt(v / second) + EPS)

    return jax.tree.map(updated, parameters, mean, square), mean, square, count, key


def _loss(parameters, inputs, targets, draws):
    x = inputs
    for (weight, bias), draw in zip(parameters[:-1], draws, strict=True):
        logits = x @ weight + bias
        x = bits(logits, jax.random.uniform(draw, logits.shape))
    outputs = jax.nn.log_softmax(x @ parameters[-1][0] + parameters[-1][1])
    return -jnp.take_along_axis(outputs, targets[:, None], -1).mean()
