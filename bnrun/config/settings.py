"""The options of a config outside its groups, validated before torch is imported."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from bnrun.config.budget import index_of
from bnrun.core.fields import PositiveFloat, PositiveInt, Slope

# A 64-bit column of the metrics file.
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


# More would take years; published bounds use less than a hundredth of it.
Samples = Annotated[int, Field(gt=0, le=1_000_000)]


class TrainerSettings(_Section):
    """How long to train, and how often to log and evaluate."""

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
    compile: bool = False
    products: Literal["bfloat16"] | None = None


class GradientSettings(_Section):
    """What to measure about the gradient estimates, and how often."""

    every: PositiveFloat | None
    estimators: list[str | dict[str, dict[str, Any]]]
    draws: Annotated[int, Field(ge=2)]
    examples: Annotated[int, Field(ge=2)]
    reference: str
    reference_draws: Annotated[int, Field(ge=2)] | None
    max_units: PositiveInt
    memory: PositiveInt
    averages: list[PositiveInt]

    @field_validator("estimators", mode="before")
    @classmethod
    def _names_with_fields(cls, estimators: Any) -> Any:
        for item in estimators if isinstance(estimators, list) else []:
            if isinstance(item, str):
                continue
            fields = [*item.values()] if isinstance(item, dict) else []
            if len(fields) != 1 or not isinstance(fields[0], dict) or not fields[0]:
                raise ValueError(
                    f"{item} is not the name of an estimator, nor one name with fields: write "
                    f"rloo or {{rloo: {{samples: 2}}}}"
                )
            for field, value in fields[0].items():
                if field == "neuron" or not isinstance(value, bool | int | float):
                    raise ValueError(
                        f"{field}={value}: only numbers, true and false can be set for an "
                        f"estimator that is measured; its neurons are the net's"
                    )
        return estimators

    @property
    def named(self) -> list[tuple[str, dict[str, Any]]]:
        """Each of `estimators` as its name and the fields that differ from its yaml."""
        listed: list[dict[str, dict[str, Any]]] = [
            {i: {}} if isinstance(i, str) else i for i in self.estimators
        ]
        return [(name, fields) for item in listed for name, fields in item.items()]

    @field_validator("averages")
    @classmethod
    def _within_draws(cls, averages: list[int], info: ValidationInfo) -> list[int]:
        draws = info.data.get("draws", 0)
        if averages and draws and max(averages) > draws:
            raise ValueError(f"an average cannot be over more than gradients.draws={draws} draws")
        return averages


class RecorderSettings(_Section):
    """What is written besides the curves of means."""

    per_seed: bool
    also: list[str] = []


class CheckpointSettings(_Section):
    """When a checkpoint is due."""

    every_seconds: PositiveFloat | None
    every_steps: PositiveInt | None


class Limits(_Section):
    """Where a run is stopped early: at steps where the mean of a curve is worse than a limit.

    tag  of the curve
    at   step -> limit
    """

    tag: str
    larger_is_better: bool
    at: dict[int, float]


class SweepSettings(_Section):
    """How `bnrun -m` runs the jobs of a sweep."""

    fail_fast: bool
    dry_run: bool
    skip_invalid: bool
    fresh_seeds: PositiveInt | None
    groups: list[str] | None
    limits: Limits | None = None  # older runs lack it


class SweepConfig(BaseModel):
    """The part of a config that is about its sweep."""

    sweep: SweepSettings


class _OptimizerSettings(BaseModel):
    model_config = ConfigDict(extra="allow")

    lr: PositiveFloat
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class Settings(_Section):
    """A whole config. Groups (neuron, estimator, ...) are validated by the classes they name."""

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
    choices: dict[str, Any]

    @field_validator("layers")
    @classmethod
    def _have_estimators(cls, layers: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for number, layer in layers.items():
            if "_target_" not in layer:
                raise ValueError(
                    f"layer {number} has no estimator, choose one, as in "
                    f"+estimator@layers.{number}=st +neuron@layers.{number}.neuron=sbn"
                )
        return layers

    @field_validator("seeds")
    @classmethod
    def _no_repeats(cls, seeds: int | list[int]) -> int | list[int]:
        if isinstance(seeds, list) and len(set(seeds)) < len(seeds):
            raise ValueError("a seed is listed twice: leave the second one out")
        return seeds

    @model_validator(mode="after")
    def _known_budget(self) -> Self:
        if self.budget is not None:
            index_of(self.budget, self.budgets)
        return self

    @model_validator(mode="after")
    def _products_suit_dtype(self) -> Self:
        if self.trainer.products and self.dtype != "float32":
            raise ValueError(
                f"trainer.products={self.trainer.products} needs dtype=float32: set that, or "
                f"trainer.products=null"
            )
        return self

    @property
    def seed_list(self) -> list[int]:
        """The seeds as a list; a number n stands for seeds 0 to n - 1."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds
