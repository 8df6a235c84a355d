"""Text of users is printed as it is, on one line, and is never a control sequence."""

from hypothesis import given
from hypothesis import strategies as st

from bnrun.config.plain import plain


@given(st.text(st.characters()))
def test_any_text_becomes_one_line_without_control_characters(text):
    shown = plain(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1


def test_printable_text_is_unchanged():
    assert plain("x[/b] :smile: $1 é 漢 = + - @") == "x[/b] :smile: $1 é 漢 = + - @"


def test_control_characters_are_shown_as_escapes():
    assert plain("a\x1b[31mb\nc\ud800\u202ed") == r"a\x1b[31mb\nc\ud800\u202ed"
