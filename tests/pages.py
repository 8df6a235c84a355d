"""The code blocks of README.md and docs/*.md, and how a test runs them."""

import importlib
import json
import re
import shlex
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
    "scripts"
]

NOT_RUN = "> Not run by the tests: "
"""How a page says, visibly, that the next block needs what a test does not have."""

FEW = ["trainer.steps=2", "seeds=2"]
"""Appended to every run."""


class Block(NamedTuple):
    """A fenced block of a page.

    kind    its language
    intro   the paragraph in front of it, up to the fence
    """

    kind: str
    intro: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that the block shows, named by an introduction that ends with `its/path`: ."""
        named = re.search(r"`([\w./]+\.\w+)`:$", self.intro)
        return named and named[1]

    @property
    def ci(self) -> str | None:
        """The marker of a block that .ci/run runs in an environment of its own."""
        marked = re.search(r"<!-- ci: (\w+) -->$", self.intro)
        return marked and marked[1]

    @property
    def not_run(self) -> bool:
        """Whether the page says so."""
        return self.intro.startswith(NOT_RUN)


def blocks(page: Path) -> Iterator[Block]:
    """All fenced blocks, in order."""
    parts = re.split(r"^```(\w+)\n(.*?^)```$", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for prose, kind, text in zip(parts[::3], parts[1::3], parts[2::3], strict=False):
        paragraphs = [""] if not prose.strip() else prose.strip().split("\n\n")
        yield Block(kind, paragraphs[-1].strip(), text)


def shortened(words: Sequence[str]) -> list[str]:
    """A command line of `bnrun` with overrides appended that make it short."""
    if {"--help", "--cfg"} & set(words):
        return list(words)
    given = dict(word.split("=", 1) for word in words if "=" in word)
    few = list(FEW)
    if "gradients.every" in given:
        few += ["gradients.draws=4"]
    if "budget" in given:
        few += ["budget=smoke"]
    if "hydra.sweeper.search" in given:
        few += ["hydra.sweeper.trials=2"]
    if "hydra/launcher" in given:
        few += ["estimator=st"]  # a single job, whose process takes seconds to start
    match given.get("dataset", "digits"):
        case "digits" | "file" | "blank":
            pass
        case name if (ROOT / "configs" / "dataset" / f"{name}.yaml").exists():
            few += ["dataset=digits"]  # in place of a download
        case names if "," in names:
            few += ["dataset=digits", "dataset.split_seed=0,1"]  # two settings, as there
    return [*words, *few]


class Commands:
    """Runs command lines in the working folder, by the functions that the package installs."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def __call__(self, line: str) -> int:
        """Run one line as it stands but for what makes it short; return its exit status."""
        program, *words = (word for part in shlex.split(line) for word in _expanded(part))
        if program == "tensorboard":
            return _tensorboard(words)
        if program == "bnrun":
            words = shortened(words)
        module, _, function = PROGRAMS[program].partition(":")
        main: Callable[[], int | None] = getattr(importlib.import_module(module), function)
        with self._patch.context() as patch:
            patch.setattr(sys, "argv", [program, *words])
            # The command line sets it for its process; the next command must not inherit it.
            patch.setenv("HYDRA_FULL_ERROR", "")
            patch.delenv("HYDRA_FULL_ERROR")
            try:
                return main() or 0
            except SystemExit as leave:
                return int(leave.code or 0)


def _expanded(word: str) -> list[str]:
    """A pattern as the first path that it stands for: a shortened sweep may have several."""
    return [str(path) for path in sorted(Path().glob(word))[:1]] if "*" in word else [word]


def _tensorboard(words: Sequence[str]) -> int:
    """Start TensorBoard, wait until it answers with some runs, and stop it."""
    command = [str(Path(sys.executable).parent / "tensorboard"), *words, "--port=0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        address = next(re.search(r"http://\S+", line) for line in process.stderr if "http:" in line)
        assert address is not None
        deadline = time.monotonic() + 60
        while not _served_runs(address[0]):
            assert time.monotonic() < deadline, f"{command} shows no runs"
            time.sleep(0.1)
        return 0
    finally:
        process.terminate()
        process.communicate()


def _served_runs(address: str) -> list[str]:
    with urllib.request.urlopen(f"{address}data/runs") as answer:
        runs: list[str] = json.load(answer)
    return runs


@contextmanager
def imports_of(folder: Path) -> Iterator[None]:
    """Forget afterwards what was imported from a folder: the next page has another mine.py."""
    path = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = path
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None)).startswith(str(folder)):
                del sys.modules[name]


def write_files(page: Path, folder: Path) -> None:
    """Write every file that a page shows, in a block or as two lines within a sentence."""
    shown = {block.file: block.text for block in blocks(page) if block.file}
    inline = r"`([\w./]+\.yaml)`\s+is\s+`([^`]+)`\s+and\s+`([^`]+)`"
    for name, *lines in re.findall(inline, page.read_text()):
        shown[name] = "".join(f"{line}\n" for line in lines)
    for name, text in shown.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
