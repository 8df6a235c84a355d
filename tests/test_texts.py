"""Text of users is no markup and no control sequence in what a run prints and writes."""

import re
from pathlib import Path

import pytest
import yaml
from conftest import TINY
from hypothesis import given, settings
from hypothesis import strategies as st

from bnrun.config.complaint import complain
from bnrun.config.errors import UserError
from bnrun.run.about import config_text, run_text
from bnrun.run.log import LOG, Log

NASTY = ["[/b]", "[red]x[/red]", "[v2]", ":smile:", "$x$", "<b>"]
NASTY += ["\x1b[31mred", "a\nb", "\u202eabc"]
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
PIECES = [*NASTY, " ", "x", "\\", "\r", "\x07", "\x9b31m"]
texts = st.lists(st.sampled_from(PIECES), min_size=1).map("".join)


@pytest.mark.parametrize("name", ["x[/b]", "exp [v2]", ":smile:", "a'b\"c", "ü漢", "\x1b[31m"])
def test_a_run_in_a_folder_of_any_name_ends_well_and_names_it(name, command, tmp_path):
    folder = tmp_path / name
    folder.mkdir(parents=True)
    quoted = str(folder).replace("'", "\\'")
    status, out, err = command(f"output='{quoted}'", *TINY)
    assert status == 0, err
    assert len(list(folder.glob("s/*/result.json"))) == 1
    shown = str(folder).replace("\x1b", "\\x1b")
    assert f"folder: {shown}/s/" in out
    assert not CONTROL.search(out + err)
    status, out, err = command(f"output='{quoted}'", *TINY)
    assert f"skipped, because it is done: {shown}/s/" in err


@pytest.mark.parametrize("value", NASTY)
def test_a_value_of_any_form_is_shown_as_it_is(value, command, tmp_path):
    text = value.replace("\\", "\\\\").replace("'", "\\'")
    status, out, err = command(f"optimizer.lr='{text}'", *TINY)
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert not CONTROL.search(err)
    if value.isprintable():
        assert f"optimizer.lr={value}: should be a valid number" in err


@pytest.mark.parametrize("value", NASTY)
def test_a_sweep_shows_a_value_as_it_is(value, command, tmp_path):
    text = value.replace("\\", "\\\\").replace("'", "\\'")
    status, out, err = command("-m", f"optimizer.lr='{text}',0.1", *TINY, "sweep.dry_run=true")
    assert status == 0, err
    assert not CONTROL.search(out + err)
    if value.isprintable():
        assert f"optimizer.lr={value}: should be a valid number" in out


@settings(max_examples=40, deadline=None)
@given(texts)
def test_a_log_has_a_line_for_a_message_and_no_control_characters(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("log")
    log = Log(folder, shown=False)
    log.info(text)
    log.write(f"Traceback:\n{text}\nend")
    first, *rest = (folder / LOG).read_text().split("\n")[:-1]
    assert not any(CONTROL.search(line) for line in (first, *rest))
    assert rest[0].endswith(": Traceback:")
    assert all(line.startswith("  ") for line in rest[1:])


@settings(max_examples=40, deadline=None)
@given(texts)
def test_a_message_on_the_screen_is_one_line_as_it_is(capsys_of, text):
    err = capsys_of(lambda: Log(Path(), shown=True).print(text))
    assert err.count("\n") == 1
    assert not CONTROL.search(err)
    if text.isprintable():
        assert err == f"{text}\n"
    err = capsys_of(lambda: complain(UserError(text)))
    assert err.count("\n") == 1
    assert not CONTROL.search(err)


@pytest.fixture(scope="module")
def capsys_of():
    """A function that does something and returns what it has written to standard error."""
    import contextlib
    import io

    def captured(act):
        stream = io.StringIO()
        with contextlib.redirect_stderr(stream):
            act()
        return stream.getvalue()

    return captured


@settings(max_examples=40, deadline=None)
@given(texts)
def test_a_text_in_tensorboard_is_no_markup(text):
    choices = {"neuron": text, "estimator": "st", "dataset": text, "model": "mlp"}
    table = run_text({"choices": choices}, [3])
    assert len(table.splitlines()) == 8
    assert all(line.count("|") == 3 for line in table.splitlines())
    assert not re.search(r"<|\*|`|\[[^\]]*\]\(", table)
    assert not CONTROL.search(table)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["`", "\n", "x", "~", "#"])).map("".join))
def test_nothing_closes_the_block_of_a_config(text):
    block = config_text(text)
    fence = re.match("`+", block)[0]
    assert block == f"{fence}yaml\n{text}\n{fence}"
    assert fence not in text
    assert yaml.safe_dump({"a": 1}) in config_text(yaml.safe_dump({"a": 1}))
