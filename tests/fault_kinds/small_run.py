"""A run so small that it can be broken hundreds of times."""

from pathlib import Path

RUN = ["model.hidden=[6]", "trainer.log_every=1", "trainer.evaluate_every=0.2", "seeds=[3,7]"]
RUN += ["estimator=reinforce_nvil", "optimizer=adam", "trainer.steps=60"]
OFTEN = "checkpoint.every_steps=3"


def only(study: Path) -> Path:
    return next(path for path in study.iterdir() if path.is_dir())
