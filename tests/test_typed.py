"""A user's type checker sees the types of bnrun: a correct file passes, mistakes are reported."""

import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import bnrun

USER = """
from collections.abc import Callable
from pathlib import Path
from typing import assert_type

import torch
from torch import Tensor, nn

import bnrun


@bnrun.validated
class Mine(bnrun.Estimator):
    share: float = 0.5

    def __call__(
        self, logits: Tensor, downstream: Callable[[Tensor], Tensor], noise: bnrun.Noise
    ) -> Tensor:
        p = self.neuron.probability(logits)
        bits = (noise.uniform(logits) < p).to(p)
        return downstream(self.neuron.encode(self.share * bits + (1 - self.share) * p))


def squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().sum(-1)


net = nn.Sequential(nn.Linear(20, 8), bnrun.Binary("disarm", seed=0), nn.Linear(8, 1))
x, y = torch.randn(50, 20), torch.randn(50, 1)
assert_type(bnrun.estimate(net, x, squared, y), Tensor)
bnrun.advance(net, step=1)

estimator = bnrun.load_estimator("sigmoid_st", slope=2.0)
assert_type(estimator, bnrun.Estimator)
losses: Tensor = estimator(torch.zeros(1, 5, 4), lambda bits: bits.sum(-1), bnrun.Noise([0]))

try:
    run = bnrun.run("name=typed", "trainer.steps=2")
except bnrun.UserError as error:
    raise SystemExit(str(error)) from error
assert_type(run.folder, Path)
for one in bnrun.sweep("name=typed", "estimator=st,reinmax", "trainer.steps=2"):
    print(one.folder, one.curves("loss/train").columns)
print(bnrun.check("st").columns, bnrun.load_runs("outputs/typed").scores.height)
assert_type(bnrun.__version__, str)

bnrun.Binary(3)  # arg-type
bnrun.Binary("st", evaluate="often")  # arg-type
bnrun.run(2)  # arg-type
bnrun.load_estimators("st")  # attr-defined
Mine(estimator.neuron, shares=0.5)  # call-arg
wrong: int = bnrun.estimate(net, x, squared, y)  # assignment
"""


def test_a_users_file_is_checked_by_the_types_of_the_package(tmp_path):
    (tmp_path / "user.py").write_text(USER)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir=cache", "user.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    reported = re.findall(r"^user\.py:(\d+): error: .* \[(.*)\]$", checked.stdout, re.MULTILINE)
    marked = [
        (str(number), line.rpartition("# ")[2])
        for number, line in enumerate(USER.splitlines(), 1)
        if line.rpartition("# ")[2] in ("arg-type", "attr-defined", "call-arg", "assignment")
    ]
    assert reported == marked, checked.stdout + checked.stderr
    assert len(marked) == 6


def test_the_marker_of_a_typed_package_comes_with_it():
    assert (Path(str(files(bnrun))) / "py.typed").read_text() == ""
