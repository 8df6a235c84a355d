"""A study's design decides what its page shows: tuned rates, paired differences, standings."""

from pathlib import Path

import pytest
import results_page
from results_page import publish

from bnrun.report.compare.statistics import compare_pairs

DESIGN = """
title: A study
command: bnrun -m experiment=study
budget: full
design: What will decide it.
text: What came out.
tables:
  - title: Tuned
    split: test
    tuned: {over: optimizer.lr, score: accuracy/sampled}
    rows: [estimator, optimizer.lr]
    columns: {accuracy/sampled: sampled}
contrasts:
  - title: Differences
    tuned: {over: optimizer.lr, score: accuracy/sampled}
    score: accuracy/sampled
    contestants: {st: {estimator: st}, reinmax: {estimator: reinmax}}
    pairs: [[reinmax, st]]
    places: [{neuron: sbn}]
"""


def study(folder: Path) -> Path:
    """Raw results of two estimators; the best rate on test is not the best on validation."""
    heading = (
        "neuron,estimator,optimizer.lr,seed,split,measured,steps,seconds,diverged,commit,machine"
    )
    lines = [f"{heading},accuracy/sampled"]
    values = {
        ("st", "1"): (0.9, 0.5),
        ("st", "2"): (0.8, 0.7),
        ("reinmax", "1"): (0.1, 0.9),
        ("reinmax", "2"): (0.2, 0.6),
        ("reinmax", "3"): (0.95, 0.95),
    }
    for (estimator, rate), scores in values.items():
        for seed in range(6):
            for split, score in zip(("validation", "test"), scores, strict=True):
                diverged = 7 if rate == "3" and seed == 0 else ""
                facts = f"{seed},{split},,10,1,{diverged},abc,cpu"
                lines.append(
                    f"sbn,{estimator},{rate},{facts},{score + seed / 1000 * (rate != '1')}"
                )
    (folder / "study.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_a_design_is_on_the_page_before_there_are_results(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(DESIGN)
    page = publish(tmp_path).read_text()
    assert "no results yet" in page
    assert "What will decide it." in page
    assert "What came out." not in page
    page = publish(study(tmp_path)).read_text()
    assert "no results yet" not in page
    assert "What came out." in page


def test_the_rate_is_chosen_on_validation_where_fewest_seeds_diverged(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(DESIGN)
    page = publish(study(tmp_path)).read_text()
    assert "| st | 1 | 6 | 0.5 |" in page
    assert "| reinmax | 2 | 6 | 0.6" in page
    assert "| reinmax | 3 |" not in page


def test_several_settings_and_the_way_of_evaluating_are_chosen_together(tmp_path: Path) -> None:
    heading = (
        "estimator,optimizer.lr,optimizer.weight_decay,seed,split,measured,steps,seconds,diverged,"
        "commit,machine,accuracy/sampled,accuracy/thresholded"
    )
    # (rate, decay): validation sampled and thresholded, test sampled and thresholded
    values = {
        ("1", "0"): (0.5, 0.6, 0.95, 0.96),
        ("1", "3"): (0.7, 0.9, 0.11, 0.22),
        ("2", "0"): (0.8, 0.4, 0.97, 0.98),
    }
    lines = [
        f"st,{rate},{decay},{seed},{split},,10,1,,abc,cpu,{scores[place]},{scores[place + 1]}"
        for (rate, decay), scores in values.items()
        for split, place in (("validation", 0), ("test", 2))
        for seed in range(3)
    ]
    (tmp_path / "study.csv").write_text("\n".join([heading, *lines]) + "\n")
    (tmp_path / "study.yaml").write_text("""
title: A study
command: bnrun -m experiment=study
budget: full
tables:
  - title: Chosen
    split: test
    tuned:
      over: [optimizer.lr, optimizer.weight_decay, way]
      score: chosen
      ways: {accuracy/sampled: a sample, accuracy/thresholded: a threshold}
    rows: [estimator, optimizer.lr, optimizer.weight_decay, way]
    columns: {chosen: accuracy}
""")
    page = publish(tmp_path).read_text()
    assert "| st | 1 | 3 | a threshold | 3 | 0.22 |" in page
    assert page.count("| st |") == 1


def test_differences_are_paired_at_the_chosen_rates_with_the_intervals_of_the_report(
    tmp_path: Path,
) -> None:
    (tmp_path / "study.yaml").write_text(DESIGN)
    page = publish(study(tmp_path)).read_text()
    seeds = range(6)
    (expected,) = compare_pairs([({s: 0.6 + s / 1000 for s in seeds}, dict.fromkeys(seeds, 0.5))])
    half = (expected.high - expected.low) / 2
    assert expected.significant
    assert f"| sbn | {expected.mean:.3f} ± {half:.3f} &#42; |" in page


def test_a_difference_without_a_seed_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = DESIGN.replace("{neuron: sbn}", "{neuron: dbn}")
    (study(tmp_path) / "study.yaml").write_text(wrong)
    assert results_page.main([str(tmp_path)]) == 1
    assert "no seed for ('reinmax', 'st')" in capsys.readouterr().err


@pytest.mark.parametrize("lower", [False, True])
def test_standings_count_whom_a_contestant_beats_on_seeds_that_chose_nothing(
    tmp_path: Path, lower: bool
) -> None:
    wobble = [0.011, -0.007, 0.004, -0.013, 0.009, 0.002, -0.005, 0.001]
    means = {"a": 0.9, "b": 0.5, "c": 0.501}
    heading = "net,estimator,seed,split,measured,steps,seconds,diverged,commit,machine,score/way"
    lines = [heading]
    for place, (name, mean) in enumerate(means.items()):
        for seed in range(2, 10):
            for split in ("validation", "test"):
                # Seeds 0 and 1, with another order, chose the rate.
                value = mean + wobble[(seed + 3 * place) % 8]
                lines.append(f"1,{name},{seed},{split},,10,1,,abc,cpu,{value}")
        lines += [f"1,{name},{seed},test,,10,1,,abc,cpu,{100 * place}" for seed in (0, 1)]
    (tmp_path / "study.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "study.yaml").write_text(f"""
title: A study
command: bnrun -m experiment=study
budget: full
standings:
  - title: Standings
    score: score/way
    lower: {str(lower).lower()}
    search_seeds: ["0", "1"]
    places: {{one net: {{net: "1"}}}}
    contestants: {{a: {{estimator: a}}, b: {{estimator: b}}, c: {{estimator: c}}}}
""")
    page = publish(tmp_path).read_text()
    first, others = ("(+0 -2)", "(+1 -0)") if lower else ("(+2 -0)", "(+0 -1)")
    assert f"| a | 0.900 {first} |" in page
    assert f"| b | 0.500 {others} |" in page
    assert f"| c | 0.501 {others} |" in page
    (tmp_path / "study.yaml").write_text(
        (tmp_path / "study.yaml").read_text().replace('net: "1"', 'net: "2"')
    )
    with pytest.raises(ValueError, match="one net has 0 contestants"):
        publish(tmp_path)
