"""Mutants that change nothing that a test could notice, and why."""

# Mutants that change nothing a test could see, "path: line -> line" -> why.
EQUIVALENT: dict[str, str] = {
    "recording/intervals: return Interval(mean, np.where(number > 1, half, np.nan), number) -> "
    "return Interval(mean, np.where(number >= 1, half, np.nan), number)": (
        "of a single value the error is 0 / 0, which is NaN"
    ),
    "core/products: narrow = self.weight.shape[-1] < NARROW and self.product_dtype is None -> "
    "narrow = self.weight.shape[(1)] < NARROW and self.product_dtype is None": (
        "both ways give the product; one is faster"
    ),
    "report/compare/statistics: return np.where(rest > 3 * _ROUNDING, (number - 1) * square / rest,"
    " np.inf) -> return np.where(rest >= 3 * _ROUNDING, (number - 1) * square / rest, np.inf)": (
        "no sum of squares is a bound of rounding to the last bit"
    ),
    "report/compare/power: counts += np.abs(unit.sum(0)) > bounds[-1] + 1e-6 -> "
    "counts += np.abs(unit.sum(0)) > bounds[-1] + 1.05e-06": "a bound of rounding, of any size",
    "report/compare/contest: for (number, one, other), (difference, needed) in zip(pairs, outcomes,"
    " strict=True): -> for (number, one, other), (difference, needed) in zip(pairs, outcomes, "
    "strict=False):": "there is one outcome for each pair",
    "run/source: process = subprocess.run(command, capture_output=True, timeout=10, "
    "env=environment) -> process = subprocess.run(command, capture_output=True, timeout=11, "
    "env=environment)": "how long a git that hangs is waited for",
    "core/laws: return torch.where(within, value / (a + 0.5).where(within, 1), 1) -> "
    "return torch.where(within, value / (a + 0.5).where(within, 2), 1)": (
        "a divisor that is not 0, of a quotient that is not used"
    ),
    "core/noise: BULK = 4096 -> BULK = 4097": "both ways draw the same numbers; one is faster",
    'run/checkpoint: model_config = ConfigDict(extra="forbid", frozen=True) -> '
    'model_config = ConfigDict(extra="forbid", frozen=False)': "nothing changes a header",
    'config/words: is_info = word in ("--info", "-i") and rest[:1] and rest[0] in _INFORMATION -> '
    'is_info = word in ("--info", "-i") and rest[:2] and rest[0] in _INFORMATION': (
        "both are empty if rest is"
    ),
    "models/binary_weights: initialize(layer.weight.detach(), init) -> "
    "initialize(layer.weight, init)": "torch's initial values are set without a gradient",
    "estimators/node_perturbation: perturbed = logits.detach() + self.std * torch.stack([e, -e]) "
    "-> perturbed = logits + self.std * torch.stack([e, -e])": "bits have no gradient",
    "estimators/rebar: probability = neuron.probability(logits.detach()) -> "
    "probability = neuron.probability(logits)": (
        "the estimate is detached where it is injected; only the cost differs"
    ),
    "estimators/vimco: bound, fixed = bound_of(losses), losses.detach() -> "
    "bound, fixed = bound_of(losses), losses": (
        "the estimate is detached where it is injected; only the cost differs"
    ),
    "estimators/sigmoid_st: multiplier = self.multiplier(logits.detach(), bits) -> "
    "multiplier = self.multiplier(logits, bits)": (
        "with_derivative detaches the multiplier; only the cost differs"
    ),
    "estimators/local_expectation: flips = (bits - one_each.view(units, *[1] * (bits.dim() - 1), "
    "units)).abs() -> flips = (bits - one_each.view(units, *[1] * ((bits.dim()) + (1)), units))"
    ".abs()": "an axis more of length 1, which is summed in the backward pass",
    "estimators/local_expectation: probability = self.neuron.probability(logits.detach()) -> "
    "probability = self.neuron.probability(logits)": (
        "the gradient is detached where it is injected; only the cost differs"
    ),
    "training/memory: _M_MMAP_THRESHOLD = -3 -> _M_MMAP_THRESHOLD = (3)": (
        "only the speed differs, and glibc returns 1 for a number that it does not know"
    ),
    "training/rehearsal: found = dict(zip(map(id, tapped), gradients, strict=True)) -> "
    "found = dict(zip(map(id, tapped), gradients, strict=False))": "autograd gives one for each",
    "tasks/vae: Split(inputs.expand(len(noise.seeds), *inputs.shape), targets.unsqueeze(0)), noise"
    " -> Split(inputs.expand(len(noise.seeds), *inputs.shape), targets.unsqueeze(1)), noise": (
        "the task does not use the targets"
    ),
    "tasks/gan/image_scores: lone = torch.where(images > 0.5, around < 0.5, around > 7.5) -> "
    "lone = torch.where(images > 0.5, around <= 0.5, around > 7.5)": "the sums are whole numbers",
    "tasks/gan/judge: nn.Linear(data.train.inputs[0].numel(), HIDDEN), -> "
    "nn.Linear(data.train.inputs[1].numel(), HIDDEN),": "all images are of one size",
    "tasks/gan/image_scores: return (levels.unsqueeze(-2) > rows.unsqueeze(-1)).to(shares.dtype)"
    " * 2 - 1 -> return (levels.unsqueeze(-2) > rows.unsqueeze((1))).to(shares.dtype) * 2 - 1": (
        "rows is [height], whose last axis is axis 1 of the result"
    ),
    "measurement/instrument: means = draws[: len(draws) // count * count].unflatten(0, (-1, count))"
    ".mean(1) -> means = draws[: len(draws) // count * count].unflatten(0, (-1, count)).sum(1)": (
        "only cosines are taken of these means, and a cosine does not depend on the length"
    ),
    "measurement/gradients: gram_is_smaller = count < centred.shape[-1] -> "
    "gram_is_smaller = count < centred.shape[-2]": (
        "both products have the same sum of squares; one of them is smaller"
    ),
    'measurement/instrument: "norm": torch.linalg.vector_norm(draws.mean(0), dim=-1), -> '
    '"norm": torch.linalg.vector_norm(draws.mean(0), dim=(1)),': (
        "the mean is [R, P], whose last axis is axis 1"
    ),
}
