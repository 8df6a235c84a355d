"""README is true: its commands run, its names exist, and it stays short."""

import re
import shlex
from pathlib import Path

import pytest

from bnrun.config.paths import CONFIGS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
COMMANDS = [line for kind, text in BLOCKS if kind == "sh" for line in text.strip().splitlines()]


def test_readme_stays_under_200_lines():
    assert len(README.splitlines()) < 200


def test_the_set_up_lines_are_run_by_ci():
    ci = (ROOT / ".ci" / "run").read_text()
    for marker in ("run", "test"):
        assert f"<!-- ci: {marker} -->\n```sh\n" in README
        assert f"line {marker}" in ci


def words_of(command):
    words = shlex.split(command, comments=True)
    return [word for word in words[1:] if word not in ("-m", "--multirun")]


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("bnrun ")])
def test_a_command_of_readme_composes(command):
    words = words_of(command)
    if words and words[0] == "--config-dir":
        words = [word for word in words[2:] if word != "estimator=mine"]
    first = [word.split(",")[0] if "[" not in word else word for word in words]
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        compose("config", overrides=first)


def test_every_command_of_readme_is_run_by_a_test_or_by_ci():
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    tests += (ROOT / ".ci" / "run").read_text()
    programs = {shlex.split(command)[0] for command in COMMANDS}
    for program in programs:
        assert program in tests, program


def test_pythons_blocks_run():
    for kind, text in BLOCKS:
        if kind == "python":
            exec(compile(text, "README.md", "exec"), {})


def test_the_named_configs_exist():
    for group, name in re.findall(r"\b(neuron|estimator|dataset|model)=([a-z_]+)\b", README):
        if name != "mine":
            assert (CONFIGS / group / f"{name}.yaml").exists(), f"{group}={name}"
