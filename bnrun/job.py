"""One run from its config to its result: the training meets the recorder and the screen."""

import platform
import shutil
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from bnrun.errors import MISTAKES, UserError, sentence
from bnrun.run_id import NAMED
from bnrun.settings import Settings

if TYPE_CHECKING:
    from bnrun.trainer import Training

RESULT = "result.json"


def run_job(config: DictConfig, choices: dict[str, Any], folder: Path) -> None:
    """Train what the config says in `folder`, unless that is done already.

    Raises UserError, with the folder as it was before, for a config that cannot be run.
    """
    console = Console(stderr=True)
    container = _plain(config)
    try:
        settings = Settings.model_validate(container)
        if settings.device == "cuda":
            _require_cuda()
        if settings.resume == "auto" and (folder / RESULT).exists():
            console.print(f"done before: {folder} (resume=never runs it again)")
            _show(folder)
            return
        training = _build(config, settings)
    except MISTAKES as error:
        _forget(folder)
        raise UserError(sentence(error)) from error
    _train(training, settings, container | {"choices": choices}, folder, console)
    _show(folder)


def _require_cuda() -> None:
    from bnrun.composition import choose_device

    choose_device("cuda")


def _build(config: DictConfig, settings: Settings) -> "Training":
    # Here, so that a mistake in the settings is said before torch is loaded.
    from bnrun.composition import build_training

    training = build_training(config, settings)
    training.rehearse()
    return training


def _train(
    training: "Training",
    settings: Settings,
    config: dict[str, Any],
    folder: Path,
    console: Console,
) -> None:
    from bnrun.progress import follow
    from bnrun.recorder import Recorder
    from bnrun.result import write_result

    started = time.perf_counter()
    title = "/".join(str(config["choices"][group]) for group in NAMED)
    scalars: dict[str, list[float]] = {}
    with Recorder(folder, settings.seed_list, per_seed=settings.recorder.per_seed) as recorder:
        recorder.text("config", f"```yaml\n{OmegaConf.to_yaml(OmegaConf.create(config))}\n```")
        for record in follow(training.run(), training.total, title, console):
            recorder.write(record)
            scalars |= {tag: values.tolist() for tag, values in record.scalars.items()}
        scores = _scores(scalars)
        recorder.hparams(_flat(config), _means(scores))
    write_result(
        folder,
        {
            "seeds": settings.seed_list,
            "scores": scores,
            "diverged": training.diverged_steps(),
            "steps": training.step,
            "seconds": round(time.perf_counter() - started, 3),
            "config": config,
            "versions": _versions(),
            "commit": _commit(),
            "data": training.data.hashes,
        },
    )


def _show(folder: Path) -> None:
    from bnrun.report import scores_table
    from bnrun.result import read_result

    console = Console()
    result = read_result(folder / RESULT)
    console.print(scores_table(result))
    for seed, step in result["diverged"].items():
        console.print(f"seed {seed} diverged at step {step}")
    console.print(f"folder: {folder}", soft_wrap=True)
    console.print(f"curves: tensorboard --logdir {folder.parent}", soft_wrap=True)


def _plain(config: DictConfig) -> dict[str, Any]:
    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def _forget(folder: Path) -> None:
    """Remove a folder in which nothing but Hydra's own files is, and the study if it is empty."""
    if folder.is_dir() and {item.name for item in folder.iterdir()} <= {".hydra"}:
        shutil.rmtree(folder)
        for parent in list(folder.parents)[:2]:
            if any(parent.iterdir()):
                break
            parent.rmdir()


def _scores(scalars: dict[str, list[float]]) -> dict[str, Any]:
    """From tags score/split/way to split -> score -> way -> one value per seed."""
    scores: dict[str, Any] = {}
    for tag, values in scalars.items():
        match tag.split("/"):
            case [score, split, way] if split in ("train", "validation", "test"):
                scores.setdefault(split, {}).setdefault(score, {})[way] = values
            case _:
                pass
    return scores


def _means(scores: dict[str, Any]) -> dict[str, float]:
    return {
        f"{split}/{score}/{way}": sum(values) / len(values)
        for split in ("validation", "test")
        for score, ways in scores.get(split, {}).items()
        for way, values in ways.items()
    }


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(node, dict):
        return {prefix: node}
    found: dict[str, Any] = {}
    for key, value in node.items():
        found |= _flat(value, f"{prefix}.{key}".lstrip("."))
    return found


def _versions() -> dict[str, str]:
    packages = ("bnrun", "torch", "numpy", "hydra-core", "tensorboard")
    return {name: version(name) for name in packages} | {"python": platform.python_version()}


def _commit() -> str | None:
    """The commit of the code that runs, with "+" where it has been changed since."""
    home = Path(__file__).resolve().parent
    try:
        told = [
            subprocess.run(
                ["git", "-C", str(home), *words],
                capture_output=True,
                text=True,
                timeout=5,
                check=True,
            ).stdout.strip()
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", str(home)))
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    return told[0] + ("+" if told[1] else "")
