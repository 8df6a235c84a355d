"""Trainings built from the real configs, by overrides as on the command line."""

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from bnrun import cli
from bnrun.config.paths import CONFIGS
from bnrun.config.settings import Settings
from bnrun.run.build import build_training
from bnrun.training.loop import Training

assert cli  # registers the resolvers


def built(words: list[str]) -> Training:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose("config", overrides=words)
    container = OmegaConf.to_container(config, resolve=True)
    return build_training(config, Settings.model_validate(container))
