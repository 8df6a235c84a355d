"""A run in words, as Markdown for TensorBoard's Text tab: what it is, and how it ended."""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from bnrun.config.run_id import NAMED
from bnrun.recording.escape import markdown
from bnrun.recording.intervals import decimals, interval_text
from bnrun.report.read.scores import way_text
from bnrun.run.outcome import versions
from bnrun.run.receipt import receipt
from bnrun.run.source import commit

Scores = Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]


def run_text(config: Mapping[str, Any], seeds: Sequence[int]) -> str:
    """The run's choices, seeds, command, code and machine; `config` is resolved.

    What comes from the user is not markup in it.
    """
    about = receipt()
    hardware = about["hardware"]
    named = ", ".join(f"{group} {config['choices'][group]}" for group in NAMED)
    packages = ", ".join(f"{name} {text}" for name, text in versions().items())
    changes = f" (changes {about['changes'][:12]})" if about["changes"] else ""
    machine = hardware["cuda"] or f"{hardware['processor']}, {hardware['threads']} threads"
    rows = {
        "What": named,
        "Seeds": ", ".join(map(str, seeds)),
        "Command": shlex.join(about["command"]),
        "Commit": f"{commit() or 'unknown'}{changes}",
        "Versions": packages,
        "Machine": machine,
    }
    return _table(["", ""], [[name, text] for name, text in rows.items()])


def outcome_text(scores: Scores, diverged: Mapping[str, int]) -> str:
    """The final scores with their intervals over seeds, and which seeds diverged."""
    rows = [
        [f"{split} {score} {way_text(way)}", interval_text(values, decimals([values]))]
        for split in ("test", "validation")
        for score, ways in scores.get(split, {}).items()
        for way, values in ways.items()
    ]
    seeds = [f"seed {seed} diverged at step {step}" for seed, step in diverged.items()]
    table = _table(["score", "mean ± half the 95 % interval"], rows)
    return f"{'; '.join(seeds) or 'No seed diverged.'}\n\n{table}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [list(map(markdown, head)), ["---"] * len(head), *(map(markdown, row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def config_text(text: str) -> str:
    """A config as a block of code, which nothing in it can close."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}yaml\n{text}\n{fence}"
