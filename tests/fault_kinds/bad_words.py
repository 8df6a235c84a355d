"""Generated command lines and config files, most of them wrong."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from fault_kinds.children import forked, status_of
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from bnrun import cli
from bnrun.run.outcome import flat

LONG = ("trainer.steps", "trainer.epochs", "seeds", "model.hidden")
"""Where a large number is no mistake, but much work."""
ODD = ["-1", "0", "nan", "1e400", "[]", "{}", "[a,b]", "null", "''", "x", "${nowhere}", "1,2"]
ODD += ["../..", "\\x00", "é", "true", "[1,1]", "${oc.env:HOME}", "(", "a=b", "1e-400", "0x10"]
GROUPS = ["neuron", "estimator", "model", "optimizer", "scheduler", "dataset", "trainer", "task"]


def sensible() -> tuple[dict[str, str], list[str]]:
    """Every key of the config with its value, and every choice of a group but the large data."""
    from bnrun.config.compose import composed, resolved
    from bnrun.config.paths import CONFIGS

    config = {key: value for key, value in resolved(composed([])).items() if key != "choices"}
    values = {
        key: str(value).replace("None", "null").replace(" ", "")
        for key, value in flat(config).items()
        if not key.startswith(("output", "dataset.mirrors"))
    }
    files = [file for group in GROUPS for file in (CONFIGS / group).glob("*.yaml")]
    return values, [f"{f.parent.name}={f.stem}" for f in files if "mnist" not in f.stem]


def bad_words(folder: Path, times: int, from_file: bool = False) -> str:
    """Mistakes in the words of the command line, or in a file that it names."""
    values, choices = sensible()
    numbers = st.integers(-3, 12).map(str)

    def valued(key: str) -> st.SearchStrategy[str]:
        large = [] if key.startswith(LONG) else ["9" * 40, "1e30"]
        return st.sampled_from([*ODD, *large, values.get(key, "1")]) | numbers

    keys = st.sampled_from([*values, *GROUPS])
    plain = keys.flatmap(lambda key: st.tuples(st.just(key), valued(key)))
    signs = st.sampled_from(["", "", "", "+", "~", "++"])
    text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
    word = st.one_of(
        plain.map("=".join),
        st.sampled_from(choices),
        st.tuples(signs, plain.map("=".join)).map("".join),
        st.tuples(keys, text).map("=".join),
        text,
    )
    pairs = st.lists(plain, min_size=1, max_size=3)
    lines = pairs.map(dict) if from_file else st.lists(word, min_size=1, max_size=3)
    seen = {"ended well": 0, "refused in words": 0}
    tried: set[str] = set()
    work = folder / "work"
    log = folder / "log"
    file = folder / "mine" / "experiment" / "odd.yaml"
    wrong: list[str] = []

    def attempt(line: list[str]) -> None:
        def run() -> None:
            os.chdir(work)
            fixed = ["trainer.steps=2", "trainer.evaluate_examples=5", "model.hidden=[3]"]
            sys.argv = ["bnrun", f"--config-dir={folder / 'mine'}", *fixed, *line]
            cli.main()

        work.mkdir()
        log.unlink(missing_ok=True)
        status = status_of(forked(run, log), 120)
        output = log.read_text(errors="replace")
        strayed = {path.name for path in work.iterdir()} - {"outputs"}
        if (
            status not in (0, 1, 2)
            or "Traceback" in output
            or not (output or status == 0)
            or strayed
        ):
            wrong.append(
                f"{line} {file.read_text() if from_file else ''}: {status} {output[-300:]}"
            )
        seen["ended well" if status == 0 else "refused in words"] += 1
        shutil.rmtree(work)

    def write(line: dict[str, str]) -> list[str]:
        nested: dict[str, Any] = {}
        for key, value in line.items():
            *parents, last = key.split(".")
            node = nested
            for parent in parents:
                node = node.setdefault(parent, {}) if isinstance(node, dict) else {}
            if isinstance(node, dict):
                node[last] = value
        # Values are written as they are, for YAML to read: 0x10, nan, [a,b], (, ...
        file.write_text("# @package _global_\n" + json.dumps(nested).replace('"', ""))
        return ["experiment=odd"]

    @seed(0)
    @settings(
        max_examples=20 * times,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(lines)
    def generate(line: Any) -> None:
        if len(tried) < times and str(line) not in tried:
            tried.add(str(line))
            attempt(write(line) if from_file else line)

    file.parent.mkdir(parents=True)
    generate()
    output = f"{len(tried)} different ones: " + ", ".join(f"{n} {what}" for what, n in seen.items())
    assert not wrong, "\n\n".join([f"{output}, of these {len(wrong)} wrong", *wrong])
    return output
