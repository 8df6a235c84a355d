"""Families that also differentiate the loss, each with a switch for each fault."""

import torch
from torch import Tensor

from bnrun.estimators.base import fire
from bnrun.estimators.tools.gradients import inject


def leaking(loss: Tensor, relaxed: Tensor) -> Tensor:
    """The loss with the gradient, but not the value, of a side evaluation."""
    return loss + relaxed - relaxed.detach()


def slopes(neuron, downstream, values: Tensor) -> tuple[Tensor, Tensor]:
    """Losses at relaxed bits, and their derivative by them."""
    values = values.detach().requires_grad_()
    losses = downstream(neuron.encode(values))
    (by_values,) = torch.autograd.grad(losses.sum(), values, retain_graph=True)
    return losses, by_values


def muprop(neuron, fault):
    def estimator(logits, downstream, noise):
        bits, p = fire(neuron, logits, noise), neuron.probability(logits.detach())
        loss = downstream(neuron.encode(bits))
        at_mean, by_mean = slopes(neuron, downstream, p)
        if fault == "expansion leaks into the weights":
            loss = leaking(loss, at_mean)
        around = bits if fault == "expanded around the sample" else p
        at_point, by_point = slopes(neuron, downstream, around)
        expansion = (at_point + (by_point * (bits - around)).sum(-1)).detach()
        gradient = (loss.detach() - expansion).unsqueeze(-1) * (bits - p)
        if fault != "mean of the expansion left out":
            gradient = gradient + by_mean * p * (1 - p)
        return inject(loss, logits, gradient)

    return estimator


def rebar(neuron, fault):
    temperature = 0.5

    def estimator(logits, downstream, noise):
        u, v = (noise.uniform(logits).clamp(1e-9, 1 - 1e-9) for _ in range(2))
        leaf = logits.detach().requires_grad_()
        p = neuron.probability(leaf)
        z = leaf + torch.logit(u)
        bits = (z > 0).to(logits)
        fixed = p.detach() if fault == "conditional noise held fixed" else p
        given = leaf + torch.logit(torch.where(bits > 0, v * fixed + 1 - fixed, v * (1 - fixed)))
        relaxed = torch.sigmoid(torch.stack([z, given]) / temperature)
        losses = downstream(neuron.encode(relaxed))
        by_z, by_given = (
            torch.autograd.grad(part.sum(), leaf, retain_graph=True)[0] for part in losses
        )
        loss = downstream(neuron.encode(bits))
        if fault == "relaxed path leaks into the weights":
            return leaking(inject(loss, logits, by_z - by_given), losses[0])
        residual = (loss - losses[1]).detach().unsqueeze(-1)
        correction = (
            by_given - by_z if fault == "correction with its sign swapped" else by_z - by_given
        )
        return inject(loss, logits, residual * (bits - p.detach()) + correction)

    return estimator


def double_cv(neuron, fault):
    def estimator(logits, downstream, noise):
        p = neuron.probability(logits.detach())
        bits = fire(neuron, logits.expand(2, *logits.shape), noise)
        losses, by_bits = slopes(neuron, downstream, bits)
        others = by_bits if fault == "own derivative for the other's" else by_bits.flip(0)
        signal = losses.detach() - 0.8 * (others * (bits - p)).sum(-1)
        pair = (signal[0] - signal[1]).unsqueeze(-1) * (bits[0] - bits[1]) / 2
        mean = 0.8 * by_bits.mean(0) * p * (1 - p)
        if fault == "mean of the control variate doubled":
            mean = 2 * mean
        return inject(losses.mean(0), logits, pair + mean)

    return estimator


def rodeo(neuron, fault):
    """With a fixed tanh in place of the net, and fixed coefficients."""

    def estimator(logits, downstream, noise):
        p = neuron.probability(logits.detach())
        bits = fire(neuron, logits.expand(2, *logits.shape), noise)
        losses, by_bits = slopes(neuron, downstream, bits)
        seen, by_other, other = losses.detach(), by_bits.flip(0), bits.flip(0)
        if fault == "net sees its own sample":
            by_other, other = by_bits, bits
        at = (by_other * (bits - other)).sum(-1, keepdim=True) + seen.flip(0).unsqueeze(-1)
        if fault == "net sees its own sample":
            at = at - seen.flip(0).unsqueeze(-1) + seen.unsqueeze(-1)
        flipped = at + by_other * (1 - 2 * bits)
        weight = torch.where((bits > 0) == (fault == "probability of the bit itself"), p, 1 - p)
        h, h_flipped = 2 * at.tanh(), 2 * flipped.tanh()
        change = (weight * (h_flipped - h)).mean(-1, keepdim=True)
        units = logits.shape[-1]
        control = change * (bits - p) + weight * (1 - 2 * bits) * h_flipped / units
        if fault == "score of the unflipped bits":
            control = change * (bits - p)
        baseline = (seen.unsqueeze(-1) + change).flip(0)
        gradient = ((seen.unsqueeze(-1) - baseline) * (bits - p) + control).mean(0)
        return inject(losses.mean(0), logits, gradient)

    return estimator
