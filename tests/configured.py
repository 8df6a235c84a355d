"""Trainings built from the real configs, by overrides as on the command line."""

from bnrun.config.compose import composed, resolved
from bnrun.config.settings import Settings
from bnrun.run.build import build_training
from bnrun.training.loop import Training


def built(words: list[str]) -> Training:
    config = resolved(composed(words))
    return build_training(config, Settings.model_validate(config))
