import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.list_session_groups import Handler
from torch import Tensor

from bnrun.recording.history import read_metrics
from bnrun.recording.metrics import METRICS
from bnrun.recording.recorder import Recorder
from bnrun.recording.records import Record
from bnrun.recording.tags import SPEED, SPLITS, TRAINING_LOSS, ScoreName, band, logits_gradient
from bnrun.recording.tiles import tile
from bnrun.recording.view import View

LOWER, UPPER = band("")
A, B = logits_gradient(1), TRAINING_LOSS  # two curves with a band
ACCURACY, LOSS = ScoreName("test", "accuracy", "sampled"), ScoreName("test", "loss", "sampled")
SEEDS = (3, 11, 4)
NAN = math.nan
WAYS = ("thresholded", "sampled", "averaged", "mean_field")


def events(folder: Path) -> EventAccumulator:
    everything = {"scalars": 0, "tensors": 0, "histograms": 0, "images": 0}
    accumulator = EventAccumulator(str(folder), size_guidance=everything)
    accumulator.Reload()
    return accumulator


def curve(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events(folder).Scalars(tag)]


def layout(folder: Path) -> Layout:
    last = events(folder).Tensors("custom_scalars__config__")[-1]
    return Layout.FromString(last.tensor_proto.string_val[0])


def record(step: int, scalars: dict[str, list[float]], seconds: float = 0.0) -> Record:
    return Record(step, step / 10, seconds, {k: torch.tensor(v) for k, v in scalars.items()})


def training(steps: Iterable[int]) -> Iterable[Record]:
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        scalars = {"loss/train": torch.randn(3, generator=generator)}
        if step % 4 == 0:
            scalars["accuracy/test/sampled"] = torch.rand(3, generator=generator)
        yield Record(step, step / 10, step * 0.5, scalars)


def run(folder: Path, records: Iterable[Record], **options: Any) -> None:
    folder.mkdir(exist_ok=True)
    with Recorder(folder, SEEDS, **options) as recorder:
        for one in records:
            recorder.write(one)


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


def test_every_tag_has_one_margin_chart_in_the_category_of_its_section(tmp_path: Path) -> None:
    run(tmp_path, training(range(9)))
    found = {category.title: list(category.chart) for category in layout(tmp_path).category}
    assert found.keys() == {"loss", "accuracy"}
    accumulator = events(tmp_path)
    for charts in found.values():
        for chart in charts:
            (series,) = chart.margin.series
            assert series.value == chart.title
            steps = [
                [event.step for event in accumulator.Scalars(tag)]
                for tag in (series.value, series.lower, series.upper)
            ]
            # TensorBoard does not draw a band whose edges have other steps than the mean.
            assert steps[0] == steps[1] == steps[2]
            assert steps[0]


def test_a_tag_has_a_band_and_a_chart_if_the_view_says_so(tmp_path: Path) -> None:
    view = View(ACCURACY._replace(split="validation"), hidden=("mean_field",))
    names = [ScoreName(split, "accuracy", way).tag for split in SPLITS for way in WAYS]
    rows = {tag: [0.5, 0.7, 0.9] for tag in (*names, "units/layer1/dead", TRAINING_LOSS)}
    run(tmp_path, [record(3, rows)], view=view, per_seed=True)
    goal, shown = (
        "_goal/curve: validation accuracy sampled",
        [n for n in names if "mean_field" not in n],
    )
    banded = [TRAINING_LOSS, "accuracy/validation/sampled", "accuracy/test/sampled"]
    edges = [prefix + tag for tag in banded for prefix in (LOWER, UPPER)]
    found = events(tmp_path).Tags()["scalars"]
    assert sorted(found) == sorted([goal, *shown, "units/layer1/dead", TRAINING_LOSS, *edges])
    assert curve(tmp_path, goal) == curve(tmp_path, "accuracy/validation/sampled")
    assert curve(tmp_path / f"seed={SEEDS[1]}", goal) == [(3, pytest.approx(0.7))]
    of_seed = events(tmp_path / f"seed={SEEDS[1]}").Tags()["scalars"]
    assert sorted(of_seed) == sorted([goal, *shown, "units/layer1/dead", TRAINING_LOSS])
    titles = [chart.title for category in layout(tmp_path).category for chart in category.chart]
    assert titles[0] == goal
    assert sorted(titles) == sorted([goal, *banded])
    assert set(read_metrics(tmp_path)["tag"]) == set(rows)


def test_charts_of_later_tags_join_the_layout(tmp_path: Path) -> None:
    run(tmp_path, [record(0, {A: [1.0] * 3}), record(1, {B: [1.0] * 3})])
    assert [category.title for category in layout(tmp_path).category] == ["gradient", "loss"]


def test_runs_with_different_tags_share_their_common_charts(tmp_path: Path) -> None:
    run(tmp_path / "one", [record(0, {A: [1.0] * 3, B: [1.0] * 3})])
    run(tmp_path / "two", [record(0, {B: [1.0] * 3, ACCURACY.tag: [1.0] * 3})])
    charts = [
        {chart.SerializeToString() for category in found.category for chart in category.chart}
        for found in (layout(tmp_path / "one"), layout(tmp_path / "two"))
    ]
    assert len(charts[0] & charts[1]) == 1


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


def test_hparams_keep_their_types_and_come_with_scores(tmp_path: Path) -> None:
    hparams = {"neuron": "sbn", "optimizer.lr": 0.5, "epochs": 3}
    words = {"optimizer.nesterov": True, "model.hidden": [2, 3], "estimator.law": "logistic"}
    with Recorder(tmp_path, SEEDS) as recorder:
        recorder.write(record(40, {"a": [1.0] * 3}))
        recorder.hparams(hparams | words | {"clip": None}, {ACCURACY.hparam: 0.9, LOSS.hparam: NAN})
    content = events(tmp_path).SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(content)
    kinds = {name: getattr(v, v.WhichOneof("kind")) for name, v in start.hparams.items()}
    assert kinds == hparams | {f"{name} (text)": str(value) for name, value in words.items()}
    assert curve(tmp_path, "score/test/accuracy/sampled") == [(40, pytest.approx(0.9))]
    assert LOSS.hparam not in events(tmp_path).Tags()["scalars"]
    # It would make TensorBoard show the columns of this run for all runs.
    tags = events(tmp_path).PluginTagToContent(metadata.PLUGIN_NAME)
    assert metadata.EXPERIMENT_TAG not in tags


def test_no_run_leaves_the_hparams_tab_if_every_value_is_ticked(tmp_path: Path) -> None:
    values = (None, 1.0, "word", True, [1, 2])
    for number, value in enumerate(values):
        (tmp_path / f"{number}").mkdir()
        with Recorder(tmp_path / f"{number}", SEEDS) as recorder:
            recorder.hparams({"trainer.clip_norm": value}, {ACCURACY.hparam: 0.5})
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(tmp_path)).Reload()
    provider = MultiplexerDataProvider(multiplexer, str(tmp_path))
    context = Context(TBContext(data_provider=provider))
    request = RequestContext()
    recorded = context.hparams_from_data_provider(request, "", limit=None)
    metadata_of_runs = context.hparams_metadata(request, "")
    columns = []
    for info in context.experiment_from_metadata(
        request, "", True, metadata_of_runs, recorded
    ).hparam_infos:
        column = api_pb2.ColParams(hparam=info.name)
        if info.HasField("domain_interval"):
            column.filter_interval.CopyFrom(info.domain_interval)
        else:
            column.filter_discrete.CopyFrom(info.domain_discrete)
        columns.append(column)
    every = api_pb2.ListSessionGroupsRequest(
        slice_size=100, col_params=columns, allowed_statuses=[api_pb2.STATUS_SUCCESS]
    )
    answer = Handler(
        request_context=request, backend_context=context, experiment_id="", request=every
    ).run()
    assert {column.hparam for column in columns} == {
        "trainer.clip_norm",
        "trainer.clip_norm (text)",
    }
    assert answer.total_size == len(values)


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


@pytest.mark.parametrize("per_seed", [False, True])
def test_a_resumed_run_leaves_the_files_of_an_uninterrupted_one(
    tmp_path: Path, per_seed: bool
) -> None:
    run(tmp_path / "whole", training(range(30)), per_seed=per_seed)
    parts = [(range(13), None), (range(9, 21), 8), (range(18, 22), 17), (range(18, 30), 17)]
    for steps, resume_step in parts:
        run(tmp_path / "parts", training(steps), per_seed=per_seed, resume_step=resume_step)
    whole, parts_ = (events(tmp_path / name) for name in ("whole", "parts"))
    assert whole.Tags()["scalars"] == parts_.Tags()["scalars"]
    assert SPEED in whole.Tags()["scalars"]
    for tag in whole.Tags()["scalars"]:
        assert curve(tmp_path / "whole", tag) == curve(tmp_path / "parts", tag)
    if per_seed:
        tag = "loss/train"
        assert curve(tmp_path / "whole/seed=4", tag) == curve(tmp_path / "parts/seed=4", tag)
    assert (tmp_path / "whole" / METRICS).read_bytes() == (
        tmp_path / "parts" / METRICS
    ).read_bytes()


def test_a_tag_that_does_not_recur_keeps_no_points_after_the_resumed_step(
    tmp_path: Path,
) -> None:
    run(tmp_path, training(range(13)))
    run(tmp_path, training(range(7, 8)), resume_step=6)
    assert [step for step, _ in curve(tmp_path, "accuracy/test/sampled")] == [0, 4]


def test_curves_are_unbroken_even_if_the_clock_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, training(range(9)))
    monkeypatch.setattr("time.time", lambda: 1_000_000.0)
    run(tmp_path, training(range(5, 12)), resume_step=4)
    assert [step for step, _ in curve(tmp_path, "loss/train")] == list(range(12))


def test_a_torn_event_file_loses_only_its_last_record(tmp_path: Path) -> None:
    run(tmp_path, training(range(9)))
    (file,) = tmp_path.glob("events.*")
    file.write_bytes(file.read_bytes()[:-10])
    run(tmp_path, training(range(6, 12)), resume_step=5)
    assert [step for step, _ in curve(tmp_path, "loss/train")] == list(range(12))


def test_a_restarted_run_drops_the_earlier_one(tmp_path: Path) -> None:
    run(tmp_path, training(range(9)), per_seed=True)
    run(tmp_path, training(range(3)), per_seed=True)
    assert [step for step, _ in curve(tmp_path, "loss/train")] == [0, 1, 2]
    assert [step for step, _ in curve(tmp_path / "seed=3", "loss/train")] == [0, 1, 2]
    assert len(read_metrics(tmp_path).filter(tag="loss/train")) == 9


def test_resuming_without_a_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="restart it from step 0"):
        Recorder(tmp_path, SEEDS, resume_step=3)
    assert not list(tmp_path.iterdir())


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
