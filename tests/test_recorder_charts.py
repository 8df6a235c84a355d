"""Margin charts: one per tag with a band, shared by runs."""

from pathlib import Path

import pytest
from recordings import ACCURACY, LOWER, SEEDS, UPPER, A, B, curve, events, record, run, training
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

from bnrun.recording.history import read_metrics
from bnrun.recording.tags import SPLITS, TRAINING_LOSS, ScoreName
from bnrun.recording.view import View

WAYS = ("thresholded", "sampled", "averaged", "mean_field")


def layout(folder: Path) -> Layout:
    last = events(folder).Tensors("custom_scalars__config__")[-1]
    return Layout.FromString(last.tensor_proto.string_val[0])


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
