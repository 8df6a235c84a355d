"""(d) JAX: a jitted scan over steps, vmapped over seeds."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

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


class Net(NamedTuple):
    """A net of one seed.

    initial  key -> parameters
    loss     parameters, inputs, targets, key -> mean loss of the batch
    """

    initial: Callable[[Any], Any]
    loss: Callable[[Any, Any, Any, Any], Any]


def mlp(widths: Sequence[int]) -> Net:
    """Linear layers with bits between them."""
    return Net(partial(_initial, widths), _loss)


def contender(net: Net, split: Split, seeds: int, prng: str, in_turn: bool = False) -> Contender:
    """Training of a net with `seeds` seeds.

    prng     the random generator: threefry2x32 is JAX's default, rbg is faster
    in_turn  whether one seed after another takes its steps, instead of all at once by vmap
    """
    inputs, targets = (jnp.asarray(part) for part in split)
    if inputs.dtype != jnp.float32:
        raise TypeError(f"inputs are {inputs.dtype}, not float32")
    keys = jax.vmap(partial(jax.random.key, impl=prng))(jnp.arange(seeds))
    state = jax.vmap(partial(_start, net))(keys)
    steps = partial(_scan, net, inputs, targets)
    every = partial(jax.lax.map, steps) if in_turn else jax.vmap(steps)
    run = jax.jit(every, donate_argnums=0)

    def advance(steps: int) -> None:
        nonlocal state
        for _ in range(max(1, round(steps / SCAN))):
            state = run(state)
        jax.block_until_ready(state)

    return _InScans(f"(d) JAX, {prng}" + ", in turn" * in_turn, seeds, advance)


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
    return parameters


def _start(net, key):
    parameters = net.initial(key)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    return parameters, zeros, jax.tree.map(jnp.zeros_like, parameters), jnp.zeros(()), key


def _scan(net, inputs, targets, state):
    order_key, key = jax.random.split(state[-1])
    rows = jax.random.randint(order_key, (SCAN, BATCH), 0, len(targets))
    state = (*state[:-1], key)

    def step(state, row):
        return _step(net, state, inputs[row], targets[row]), None

    state, _ = jax.lax.scan(step, state, rows)
    return state


def _step(net, state, inputs, targets):
    parameters, mean, square, count, key = state
    key, draw = jax.random.split(key)
    gradient = jax.grad(net.loss)(parameters, inputs, targets, draw)
    count = count + 1
    mean = jax.tree.map(lambda m, g: BETAS[0] * m + (1 - BETAS[0]) * g, mean, gradient)
    square = jax.tree.map(lambda v, g: BETAS[1] * v + (1 - BETAS[1]) * g * g, square, gradient)
    first, second = 1 - BETAS[0] ** count, 1 - BETAS[1] ** count

    def updated(p, m, v):
        return p - RATE * (m / first) / (jnp.sqrt(v / second) + EPS)

    return jax.tree.map(updated, parameters, mean, square), mean, square, count, key


def _loss(parameters, inputs, targets, key):
    x = inputs.reshape(len(inputs), -1)
    draws = jax.random.split(key, len(parameters) - 1)
    for (weight, bias), draw in zip(parameters[:-1], draws, strict=True):
        logits = x @ weight + bias
        x = bits(logits, jax.random.uniform(draw, logits.shape))
    return cross_entropy(x @ parameters[-1][0] + parameters[-1][1], targets)


def cross_entropy(outputs, targets):
    """The mean over the batch, in nats."""
    outputs = jax.nn.log_softmax(outputs)
    return -jnp.take_along_axis(outputs, targets[:, None], -1).mean()
