"""What a run says of itself in TensorBoard's texts."""

from bnrun.run.about import outcome_text, run_text

CHOICES = {"neuron": "sbn", "estimator": "st", "dataset": "digits", "model": "mlp"}


def test_a_run_says_what_it_is_and_by_which_command(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/bnrun", "estimator=st", "x=a b|c"])
    rows = dict(
        line.strip("| ").split(" | ", 1)
        for line in run_text({"choices": CHOICES}, [3, 5]).splitlines()[2:]
    )
    assert rows["What"] == "neuron sbn, estimator st, dataset digits, model mlp"
    assert rows["Seeds"] == "3, 5"
    assert rows["Command"] == "bnrun estimator=st 'x=a b&#124;c'"
    assert "torch 2" in rows["Versions"]


def test_a_run_says_how_it_ended():
    scores = {"test": {"accuracy": {"mean_field": [0.96, 0.97, 0.98]}}, "train": {}}
    text = outcome_text(scores, {"5": 350})
    assert text.startswith("seed 5 diverged at step 350\n\n")
    assert "| test accuracy mean-field | 0.970 ± 0.025 |" in text
    assert outcome_text(scores, {}).startswith("No seed diverged.")
