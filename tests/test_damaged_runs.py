"""A damaged file, or one that is not ours, costs its own run and no other."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from studies import far, finish, record

from bnrun.recording.events import EventFile
from bnrun.report.read.runs import find_runs
from bnrun.report_cli import main

FILES = ("result.json", "metrics.csv", "times.csv", ".hydra", ".hydra/overrides.yaml")


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("a", "b", "c")):
        place = finish(name, far(number / 10), name)
        (place / ".hydra").mkdir()
        (place / ".hydra/overrides.yaml").write_text("- estimator=a\n- optimizer.lr=0.1\n")
        record(place, {"accuracy/test/sampled": [far(0.0), far(0.1)], "loss/train": [far(0)]}, 10)


def remove(path: Path) -> bytes:
    """Remove a file, or a folder with what it holds; returns the content of a file."""
    if path.is_dir():
        for inner in path.iterdir():
            inner.unlink()
        path.rmdir()
        return b"?"
    content = path.read_bytes()
    path.unlink()
    return content


def written(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(change(remove(path))) and None


def linked(target: str) -> Callable[[Path], None]:
    def link(path: Path) -> None:
        content = remove(path)
        Path("elsewhere").write_bytes(content)
        path.symlink_to(Path(target).absolute())

    return link


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def bomb() -> bytes:
    """A small YAML file whose text, written out, would have 10^11 letters."""
    lines = [
        b"%c: &%c [%s]" % (letter, letter, b", ".join([b"*%c" % (letter - 1)] * 9))
        for letter in range(ord("b"), ord("l"))
    ]
    return b"\n".join([b"a: &a [x, x, x, x, x, x, x, x, x]", *lines, b""])


def folder(path: Path) -> None:
    remove(path)
    path.mkdir()


def pipe(path: Path) -> None:
    remove(path)
    os.mkfifo(path)


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "truncated": written(lambda content: content[: len(content) // 2]),
    "one byte short": written(lambda content: content[:-1]),
    "emptied": written(lambda content: b""),
    "flipped": written(lambda content: bytes(byte ^ 255 for byte in content)),
    "a bit flipped": written(lambda content: bytes([content[0] ^ 2]) + content[1:]),
    "zeros": written(lambda content: b"\0" * len(content)),
    "binary": written(lambda content: bytes(range(256)) * 20 + b"\n"),
    "a number": written(lambda content: b"5\n"),
    "a word": written(lambda content: b"null\n"),
    "an object": written(lambda content: b'{"a": {"b": [1, 2]}}\n'),
    "a list of lists": written(lambda content: b"[[1], {}, null]\n"),
    "nested": written(lambda content: nested(100_000)),
    "nested less": written(lambda content: nested(900)),
    "an alias bomb": written(lambda content: bomb()),
    "a bad date": written(lambda content: b"- 2020-99-99\n"),
    "a tag": written(lambda content: b"- !!python/object/apply:os.system [touch x]\n"),
    "folder": folder,
    "pipe": pipe,
    "link out": linked("elsewhere"),
    "link to nothing": linked("nowhere"),
    "link to itself": linked("study/b/result.json"),
    "link to a device": linked("/dev/zero"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_run_is_named_and_the_others_are_reported(
    file: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path("study/b", file)
    DAMAGES[damage](path)
    status = main(["study"])
    output = capsys.readouterr()
    page = Path("study/report.md").read_text()
    assert "| c |" in page
    assert "| a |" in page
    whole = "| b |" in page
    assert "Traceback" not in output.err
    assert not Path("x").exists()
    lines = output.err.splitlines()
    assert all(line.startswith("bnrun-report: left out: study/b/") for line in lines)
    assert status == bool(lines)
    # Either the run is whole, or something about it is said.
    assert whole or lines
    if file == "result.json" and damage not in ("one byte short",):
        assert not whole
    if damage in ("link out", "link to a device"):
        assert not whole


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", ["metrics.csv", "times.csv"])
def test_a_damaged_history_costs_its_curve_only(
    file: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    DAMAGES[damage](Path("study/b", file))
    main(["study", "--tensorboard"])
    output = capsys.readouterr()
    if "link" not in damage:
        assert "| b |" in Path("study/report.md").read_text()
    if damage in ("flipped", "binary", "zeros", "emptied", "an object", "folder", "link out"):
        assert f"left out: study/b/{file}: " in output.err


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_history_of_an_unfinished_run_is_named(
    damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("study/b/result.json").unlink()
    DAMAGES[damage](Path("study/b/metrics.csv"))
    assert main(["study"]) in (0, 1)
    output = capsys.readouterr()
    assert ("left out: study/b/metrics.csv" in output.err) != ("unfinished: study/b" in output.out)


VALUES = (
    *(None, True, -1, 0.5, "x", "", [], {}, [[1]], {"a": {}}, 10**400, float("nan"), float("inf")),
    *(float("-inf"), 2**63, "<b>", ["x"] * 3, {"0": "x"}),
)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:12])
def test_a_result_with_any_value_in_any_place_breaks_no_report(
    value: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = json.loads(Path("study/b/result.json").read_text())
    places = [
        *((key,) for key in whole),
        *(("config", key) for key in whole["config"]),
        *(("config", "choices", key) for key in whole["config"]["choices"]),
        *(("config", "optimizer", "lr"), ("scores", "test"), ("scores", "test", "accuracy")),
        *(("scores", "test", "accuracy", "sampled"), ("goal", "score"), ("goal", "way")),
        *(("goal", "larger_is_better"), ("versions", "torch"), ("diverged", "0"), ("receipt",)),
        *(("evaluations",), ("way",), ("receipt", "own_code"), ("receipt", "changes")),
    ]
    for number, place in enumerate(places):
        result = json.loads(json.dumps(whole))
        node = result
        for key in place[:-1]:
            node = node.setdefault(key, {})
        node[place[-1]] = value
        folder = Path(f"study/{number}")
        folder.mkdir()
        (folder / "result.json").write_text(json.dumps(result))
    assert main(["study"]) == 1
    page = Path("study/report.md").read_text()
    assert "| a |" in page
    assert "| c |" in page
    errors = capsys.readouterr().err.splitlines()
    assert all(line.startswith("bnrun-report: left out: study/") for line in errors)


def test_a_report_does_not_follow_links_out_of_the_study(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("other").mkdir()
    Path("study/b").rename("other/b")
    Path("study/b").symlink_to(Path("other/b").absolute())
    Path("study/again").symlink_to("a")
    Path("study/up").symlink_to("..")
    assert main(["study"]) == 1
    error = capsys.readouterr().err
    assert "left out: study/b: a link that leads out of study" in error
    assert "left out: study/up: a link that leads out of study" in error
    assert "again" not in error
    assert len(find_runs([Path("study")]).runs) == 2


def test_a_link_to_a_study_is_a_study() -> None:
    Path("here").symlink_to("study")
    assert main(["here"]) == 0
    Path("study/a/metrics.csv").rename("study/moved.csv")
    Path("study/a/metrics.csv").symlink_to(Path("study/moved.csv").absolute())
    assert main(["here"]) == 0


def test_a_report_replaces_links_and_leaves_what_they_lead_to() -> None:
    Path("precious").write_text("mine")
    for name in ("report.md", "report.html", "report.csv", "report-pairs.csv", "report.tex"):
        Path("study", name).symlink_to(Path("precious").absolute())
    assert main(["study", "--latex"]) == 0
    assert Path("precious").read_text() == "mine"
    assert not Path("study/report.md").is_symlink()


@pytest.mark.parametrize(
    ("name", "option"), [("figures", "--figures"), ("groups", "--tensorboard")]
)
def test_folders_that_are_links_are_not_written_through(
    name: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("precious").mkdir()
    Path("precious/events.out.tfevents.0000000000.bnrun").touch()
    Path("study", name).symlink_to(Path("precious").absolute())
    main(["study", option])
    output = capsys.readouterr()
    assert f"study/{name}: is a link" in output.out + output.err
    assert [path.name for path in Path("precious").iterdir()] == [
        "events.out.tfevents.0000000000.bnrun"
    ]


def test_event_files_of_others_are_neither_read_nor_removed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    for _ in range(2):
        EventFile(folder, None).close()
    odd = ["events.out.tfevents.odd", "events.out.tfevents.x.bnrun", "events.out.tfevents"]
    for name in odd:
        (folder / name).touch()
    EventFile(folder, None).close()
    EventFile(folder, 3).close()
    own = [f"events.out.tfevents.{number:010d}.bnrun" for number in (2, 3)]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*own, *odd])
