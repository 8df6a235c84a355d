"""Curves in TensorBoard are means with bands; the rest is shown as it was recorded."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from recordings import LOWER, NAN, SEEDS, UPPER, A, B, curve, events, record, run
from scipy import stats
from torch import Tensor

from bnrun.recording.history import read_metrics
from bnrun.recording.recorder import Recorder
from bnrun.recording.records import Record
from bnrun.recording.tags import SPEED
from bnrun.recording.tiles import tile


def test_scalars_are_means_and_their_band_is_the_t_interval_of_the_mean(tmp_path: Path) -> None:
    values = [0.5, 0.75, 0.8]
    run(tmp_path, [record(7, {"loss/train": values})])
    lower, upper = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    for tag, expected in (("", np.mean(values)), (LOWER, lower), (UPPER, upper)):
        assert curve(tmp_path, f"{tag}loss/train") == [(7, pytest.approx(expected, rel=1e-6))]


def test_a_seed_that_is_not_finite_does_not_affect_the_mean(tmp_path: Path) -> None:
    run(tmp_path, [record(0, {A: [1.0, NAN, 2.0], B: [3.0, math.inf, NAN]})])
    assert curve(tmp_path, A) == [(0, 1.5)]
    for prefix in ("", LOWER, UPPER):
        assert curve(tmp_path, prefix + B) == [(0, 3.0)]


def test_a_tag_without_a_finite_value_has_no_point_but_is_in_the_metrics_file(
    tmp_path: Path,
) -> None:
    run(tmp_path, [record(0, {A: [NAN] * 3, B: [1.0] * 3})])
    tags = events(tmp_path).Tags()["scalars"]
    assert sorted(tags) == [B, LOWER + B, UPPER + B]
    assert read_metrics(tmp_path).filter(tag=A)["value"].is_nan().all()


def test_values_too_large_for_a_curve_raise_no_error(tmp_path: Path) -> None:
    huge = torch.tensor([1e300, -1e308, 1e308], dtype=torch.float64)
    run(tmp_path, [Record(0, 0.0, 0.0, {A: huge}), record(1, {A: [1.0, 1.0, 1.0]})])
    assert all(len(curve(tmp_path, prefix + A)) == 2 for prefix in ("", LOWER, UPPER))
    assert curve(tmp_path, A)[-1] == (1, 1.0)
    assert read_metrics(tmp_path)["value"].to_list()[:3] == huge.tolist()


def test_per_seed_writes_each_seed_as_its_own_run(tmp_path: Path) -> None:
    run(tmp_path, [record(2, {"a": [1.0, NAN, 3.0]})], per_seed=True)
    assert curve(tmp_path / "seed=3", "a") == [(2, 1.0)]
    assert curve(tmp_path / "seed=4", "a") == [(2, 3.0)]
    assert events(tmp_path / "seed=11").Tags()["scalars"] == []
    run(tmp_path / "plain", [record(2, {"a": [1.0, NAN, 3.0]})])
    assert not list((tmp_path / "plain").glob("seed=*"))


def test_a_histogram_holds_the_finite_values_of_all_seeds(tmp_path: Path) -> None:
    values = torch.randn(3, 100, generator=torch.Generator().manual_seed(0))
    values[1] = torch.tensor(NAN)
    histograms = {"logits/layer1": values, "logits/layer2": torch.full((3, 2), NAN)}
    run(tmp_path, [Record(5, 0.0, 0.0, {}, histograms)])
    accumulator = events(tmp_path)
    assert accumulator.Tags()["histograms"] == ["logits/layer1"]
    (event,) = accumulator.Histograms("logits/layer1")
    assert event.step == 5
    assert event.histogram_value.num == 200
    finite = values[values.isfinite()]
    assert event.histogram_value.min == pytest.approx(finite.min().item(), rel=1e-6)
    assert event.histogram_value.sum == pytest.approx(finite.sum().item(), rel=1e-4)
    assert sum(event.histogram_value.bucket) == 200


def test_images_are_a_grid_of_tiles(tmp_path: Path) -> None:
    filters = torch.randn(6, 5, 5, generator=torch.Generator().manual_seed(0))
    run(tmp_path, [Record(5, 0.0, 0.0, {}, {}, {"weights/layer1": filters})])
    (event,) = events(tmp_path).Images("weights/layer1")
    shown = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)).convert("L"))
    np.testing.assert_array_equal(shown, tile(filters.numpy()))


def test_a_text_is_shown_as_it_is(tmp_path: Path) -> None:
    with Recorder(tmp_path, SEEDS) as recorder:
        recorder.text("config", "```yaml\nlr: 0.1 # ± ü\n```")
    (event,) = events(tmp_path).Tensors("config/text_summary")
    assert event.tensor_proto.string_val[0].decode() == "```yaml\nlr: 0.1 # ± ü\n```"


def test_speed_is_measured_between_steps_and_only_in_tensorboard(tmp_path: Path) -> None:
    row = {"a": [1.0] * 3}
    records = [record(0, row, 1.0), record(10, row, 3.0), record(10, row, 9.0)]
    run(tmp_path, [*records, record(20, row, 5.0)])
    assert curve(tmp_path, SPEED) == [(10, 5.0), (20, 5.0)]
    assert SPEED not in read_metrics(tmp_path)["tag"].to_list()


def test_a_running_run_can_be_read(tmp_path: Path) -> None:
    with Recorder(tmp_path, SEEDS) as recorder:
        for step in range(3):
            recorder.write(record(step, {"a": [1.0] * 3}))
            assert len(curve(tmp_path, "a")) == step + 1
            assert len(read_metrics(tmp_path)) == 3 * (step + 1)
        recorder.flush()


def test_records_of_any_precision_are_written_exactly(tmp_path: Path) -> None:
    values: dict[str, Tensor] = {
        "single": torch.tensor([0.1, 0.2, 0.3]),
        "double": torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64, requires_grad=True),
        "count": torch.tensor([1, 2, 3]),
    }
    run(tmp_path, [Record(0, 0.0, 0.0, values)])
    frame = read_metrics(tmp_path)
    for tag, tensor in values.items():
        assert frame.filter(tag=tag)["value"].to_list() == tensor.double().tolist()
