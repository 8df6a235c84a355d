"""Families that only evaluate the loss, each with a switch for each fault."""

import torch
from broken_control_variates import leaking

from bnrun.estimators.base import fire
from bnrun.estimators.tools.gradients import inject


def reinforce(neuron, fault):
    memory = {"baseline": 0.0}

    def estimator(logits, downstream, noise):
        bits, p = fire(neuron, logits, noise), neuron.probability(logits.detach())
        loss = downstream(neuron.encode(bits))
        seen = loss.detach()
        if fault == "baseline peeks at its own sample":
            baseline = 0.7 * memory["baseline"] + 0.3 * seen
        else:
            baseline = memory["baseline"]
        memory["baseline"] = 0.7 * memory["baseline"] + 0.3 * float(seen.mean())
        if fault == "loss at the mean":
            loss = downstream(neuron.encode(p))
        if fault == "score of the wrong bit":
            bits = 1 - bits
        return inject(loss, logits, (seen - baseline).unsqueeze(-1) * (bits - p))

    return estimator


def leave_one_out(neuron, fault):
    samples = 4

    def estimator(logits, downstream, noise):
        bits = fire(neuron, logits.expand(samples, *logits.shape), noise)
        losses = downstream(neuron.encode(bits))
        signal = (losses - losses.mean(0)).detach().unsqueeze(-1)
        over = samples if fault == "K for K - 1" else samples - 1
        gradient = (signal * (bits - neuron.probability(logits.detach()))).sum(0) / over
        loss = losses.sum(0) if fault == "sum of the samples for their mean" else losses.mean(0)
        return inject(loss, logits, gradient)

    return estimator


def local_expectation(neuron, fault):
    def estimator(logits, downstream, noise):
        bits, p = fire(neuron, logits, noise), neuron.probability(logits.detach())
        units = logits.shape[-1]
        flips = (bits - torch.eye(units).to(bits).view(units, *[1] * (bits.dim() - 1), units)).abs()
        loss = downstream(neuron.encode(bits))
        if fault == "flips leak into the weights":
            flipped = downstream(neuron.encode(flips))
            loss = leaking(loss, flipped.mean(0))
        else:
            with torch.no_grad():
                flipped = downstream(neuron.encode(flips))
        difference = loss.detach().unsqueeze(-1) - flipped.detach().movedim(0, -1)
        sign = 1 if fault == "flip without its direction" else 2 * bits - 1
        return inject(loss, logits, p * (1 - p) * sign * difference)

    return estimator


def arm(neuron, fault):
    def estimator(logits, downstream, noise):
        p, u = neuron.probability(logits.detach()), noise.uniform(logits)
        pair = torch.stack([u > 1 - p, u < p])
        if fault == "swapped antithetic sample":
            pair = pair.flip(0)
        if fault == "complement for the antithetic sample":
            pair = torch.stack([u > p, u < p])
        losses = downstream(neuron.encode(pair.to(logits)))
        difference = (losses[0] - losses[1]).detach().unsqueeze(-1)
        return inject(losses.mean(0), logits, difference * (u - 0.5))

    return estimator


def disarm(neuron, fault):
    def estimator(logits, downstream, noise):
        p, u = neuron.probability(logits.detach()), noise.uniform(logits)
        bits = torch.stack([u < p, u > 1 - p]).to(logits)
        losses = downstream(neuron.encode(bits))
        if fault == "swapped antithetic sample":
            losses = losses.flip(0)
        weight = torch.minimum(p, 1 - p) if fault == "min for max" else torch.maximum(p, 1 - p)
        half = 1 if fault == "factor 2" else 0.5
        difference = (losses[0] - losses[1]).detach().unsqueeze(-1)
        return inject(losses.mean(0), logits, half * difference * (bits[0] - bits[1]) * weight)

    return estimator


def arms(neuron, fault):
    samples = 4

    def estimator(logits, downstream, noise):
        p = neuron.probability(logits.detach())
        waits = -torch.log1p(-noise.uniform(logits.expand(samples, *logits.shape)))
        copula = (1 - waits / waits.sum(0)) ** (samples - 1)
        flipped = p >= 0.5
        bits = (torch.where(flipped, 1 - copula, copula) < p).to(logits)
        rare = torch.where(flipped, 1 - p, p)
        both = (2 * rare ** (1 / (samples - 1)) - 1).clamp(min=0) ** (samples - 1)
        correction = rare * (1 - rare) / (rare - both)
        if fault == "samples taken for independent":
            correction = 1
        losses = downstream(neuron.encode(bits))
        signal = (losses - losses.mean(0)).detach().unsqueeze(-1)
        gradient = (signal * (bits - p)).sum(0) / (samples - 1) * correction
        return inject(losses.mean(0), logits, gradient)

    return estimator


def bitflip(neuron, fault):
    def estimator(logits, downstream, noise):
        bits, p = fire(neuron, logits, noise), neuron.probability(logits.detach())
        units = logits.shape[-1]
        unit = (torch.arange(units) == (units * noise.uniform(logits[..., :1])).floor()).to(bits)
        flips = (bits - unit).abs()
        loss = downstream(neuron.encode(bits))
        with torch.no_grad():
            flipped = downstream(neuron.encode(flips))
        if fault == "loss of the flipped bits":
            loss = (loss + downstream(neuron.encode(flips))) / 2
        sign = 1 if fault == "flip without its direction" else 2 * bits - 1
        weight = 1 if fault == "without the weight U" else units
        difference = (loss.detach() - flipped).unsqueeze(-1)
        return inject(loss, logits, weight * unit * p * (1 - p) * sign * difference)

    return estimator


def ugc(neuron, fault):
    """With the published threshold."""

    def estimator(logits, downstream, noise):
        p, u = neuron.probability(logits.detach()), noise.uniform(logits)
        units = logits.shape[-1]
        bits = torch.stack([u < p, u > 1 - p]).to(logits)
        unit = (torch.arange(units) == (units * noise.uniform(logits[..., :1])).floor()).to(bits)
        losses = downstream(neuron.encode(bits))
        with torch.no_grad():
            flipped = downstream(neuron.encode((bits[0] - unit).abs()))
        pair = (losses[0] - losses[1]).detach().unsqueeze(-1)
        flip = (losses[0].detach() - flipped).unsqueeze(-1) * (2 * bits[0] - 1)
        both = [
            units * unit * p * (1 - p) * flip,
            pair / 2 * (bits[0] - bits[1]) * torch.maximum(p, 1 - p),
        ]
        chosen = torch.minimum(p, 1 - p) < 0.5 / units
        if fault == "chosen by its own sample":
            chosen = both[0].abs() < both[1].abs()
        if fault == "both added":
            return inject(losses.mean(0), logits, both[0] * chosen + both[1])
        return inject(losses.mean(0), logits, torch.where(chosen, *both))

    return estimator
