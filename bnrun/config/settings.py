"""What a config may say outside its groups; checked before torch is imported."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from bnrun.config.budget import place_of
from bnrun.core.fields import PositiveFloat, PositiveInt, Slope

# A column of 64 bits in the history.
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


# More would take years, and no published bound has a hundredth of it.
Samples = Annotated[int, Field(gt=0, le=1_000_000)]


class TrainerSettings(_Section):
    """How long, and how often to look."""

    epochs: PositiveInt
    steps: PositiveInt | None = None
    batch_size: PositiveInt
    log_every: PositiveInt
    evaluate_every: PositiveFloat
    evaluate_examples: PositiveInt
    evaluate_slopes: list[Slope] = []
    samples: Samples
    final_examples: PositiveInt | None = None
    final_samples: Samples | None = None
    schedule_per: Literal["epoch", "step"]
    clip_norm: PositiveFloat | None = None
    on_divergence: Literal["continue", "stop"] = "continue"
    capture: bool = False
    products: Literal["bfloat16"] | None = None


class GradientSettings(_Section):
    """What the gradient instrument measures, and how often."""

    every: PositiveFloat | None
    estimators: list[str]
    draws: Annotated[int, Field(ge=2)]
    examples: Annotated[int, Field(ge=2)]
    reference: str
    reference_draws: Annotated[int, Field(ge=2)] | None
    max_units: PositiveInt
    memory: PositiveInt
    averages: list[PositiveInt]

    @field_validator("averages")
    @classmethod
    def _few_enough(cls, averages: list[int], info: ValidationInfo) -> list[int]:
        draws = info.data.get("draws", 0)
        if averages and draws and max(averages) > draws:
            raise ValueError(f"no average can have more than the gradients.draws={draws} draws")
        return averages


class RecorderSettings(_Section):
    """What is written for each seed."""

    per_seed: bool


class CheckpointSettings(_Section):
    """When a checkpoint is due."""

    every_seconds: PositiveFloat | None
    every_steps: PositiveInt | None


class SweepSettings(_Section):
    """What `bnrun -m` does with the jobs of a sweep."""

    fail_fast: bool
    dry_run: bool
    skip_invalid: bool
    fresh_seeds: PositiveInt | None
    groups: list[str] | None


class Sweeping(BaseModel):
    """The part of a config that tells about its sweep."""

    sweep: SweepSettings


class _OptimizerSettings(BaseModel):
    model_config = ConfigDict(extra="allow")

    lr: PositiveFloat
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class Settings(_Section):
    """A whole config. The groups (neuron, estimator, ...) are checked by the classes they name."""

    name: str
    seeds: Annotated[int, Field(gt=0, le=10_000)] | Annotated[list[Seed], Field(min_length=1)]
    device: Literal["auto", "cpu", "cuda"]
    dtype: Literal["float32", "float64"]
    resume: Literal["never", "auto", "force"]
    output: Annotated[str, Field(min_length=1)]
    budget: str | None
    budgets: list[str]
    trainer: TrainerSettings
    gradients: GradientSettings
    recorder: RecorderSettings
    checkpoint: CheckpointSettings
    sweep: SweepSettings
    optimizer: _OptimizerSettings
    rates: dict[str, PositiveFloat] | None
    neuron: dict[str, Any]
    estimator: dict[str, Any]
    layers: dict[str, dict[str, Any]]
    dataset: dict[str, Any]
    task: dict[str, Any]
    model: dict[str, Any]
    scheduler: dict[str, Any]

    @field_validator("seeds")
    @classmethod
    def _no_repeats(cls, seeds: int | list[int]) -> int | list[int]:
        if isinstance(seeds, list) and len(set(seeds)) < len(seeds):
            raise ValueError("no seed may repeat: leave the second one out")
        return seeds

    @model_validator(mode="after")
    def _affordable(self) -> Self:
        if self.budget is not None:
            place_of(self.budget, self.budgets)
        return self

    @model_validator(mode="after")
    def _castable(self) -> Self:
        if self.trainer.products and self.dtype != "float32":
            raise ValueError(
                f"trainer.products={self.trainer.products} goes with dtype=float32: set it, or "
                f"trainer.products=null"
            )
        return self

    @property
    def seed_list(self) -> list[int]:
        """The seeds one by one; a number n stands for 0 .. n - 1."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds
