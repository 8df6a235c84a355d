"""A table of Kendall's tau on the results page: which statistic predicts the tuned accuracy?"""

from collections.abc import Sequence
from pathlib import Path

from kendall import Agreement, Array, agreements, stacked
from results_recipe import AgreementSpec
from tuned import Row, selected, tuned

from bnrun.report.read.column import Column
from bnrun.report.render.tables import markdown_table


def measured(
    spec: AgreementSpec, rows: Sequence[Row], path: Path
) -> tuple[dict[str, Array], Array]:
    """Predictors by "title, time" and the tuned test scores, all [nets, seeds, estimators].

    Raises ValueError if a configuration is missing.
    """
    # A setting that all runs share is no column.
    rows = [{spec.net: spec.nets[0], **row} for row in rows] if len(spec.nets) == 1 else rows
    seeds = sorted({row["seed"] for row in rows}, key=int)
    index = [spec.nets, seeds, spec.estimators]
    trained = [r for r in rows if r["measured"] == "" and selected([r], spec.trained)]
    chosen = selected(tuned(trained, spec.tuned), {"split": "test"})
    try:
        truth = stacked(chosen, spec.tuned.score, [spec.net, "seed", "estimator"], index)
        predictors = {
            f"{title}, {when}": spec.signs[title]
            * stacked(_at(rows, spec, step), column, [spec.net, "seed", "measured"], index)
            for column, title in spec.predictors.items()
            for step, when in spec.times.items()
        }
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path}: {spec.title!r}: {error}") from error
    return predictors, truth


def _at(rows: Sequence[Row], spec: AgreementSpec, step: str) -> list[Row]:
    at = selected(rows, {"split": "gradients", "steps": step})
    return [row for row in at if row["measured"] in spec.estimators]


def agreement_table(spec: AgreementSpec, rows: Sequence[Row], path: Path) -> str:
    """The table in Markdown."""
    predictors, truth = measured(spec, rows, path)
    found = agreements(predictors, truth)
    words = [Column("predictor", tuple(found))]
    numbers = [
        Column("tau", tuple(_cell(a) for a in found.values())),
        Column("p", tuple(f"{a.p:.4f}" for a in found.values())),
        Column("p over all", tuple(f"{a.adjusted:.4f}" for a in found.values())),
    ]
    numbers += [
        Column(net, tuple(f"{a.nets[place]:.2f}" for a in found.values()))
        for place, net in enumerate(spec.nets)
    ]
    return markdown_table(words, numbers)


def _cell(agreement: Agreement) -> str:
    return f"{agreement.tau:.2f}, by seed {agreement.by_seed.mean():.2f} ± {agreement.half:.2f}"
