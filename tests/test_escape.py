"""Text of users is text in every output: no markup, formula, path or command to a terminal."""

import csv
import re
import unicodedata
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from studies import change, far, finish, record
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bnrun.recording import escape
from bnrun.report_cli import main

NASTY = [
    "[v2]", "x[/b]", "[bold red]", "$x^2$", "a$", "\\$", "\\alpha_{1}", "a|b", "</td>", "&lt;",
    "<script>alert(1)</script>", "a\nb", "a\r\n# b", "\x1b[31mred\x1b[0m", "\x07", "\u202etxt.exe",
    "\u200b", "=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "' or 1", '"', "`rm`", "**bold**", "_em_",
    "# head", "- item", "1. item", "[a](javascript:b)", "![a](http://x/y.png)", "https://x.y",
    "www.x.y", "../../x", "~", "%", "", " ", "a, b=c", "\ud800", "\x00", "--flag", "{{ 7*7 }}", "_",
    "x" * 300, "{", "\\", "#010203", "é",
]  # fmt: skip
TEXT = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=12),
    st.text(alphabet="[]()<>|$\\`*_#!-+=@'\"{}&;:/.~^%\n\t\x1b\u202e a1", max_size=12),
)
CELL = st.text(max_size=30).filter(lambda text: text.isprintable())


class Page(HTMLParser):
    """Tags of a page, and the text of each."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def cells(line: str) -> int:
    """Columns of a line of a Markdown table."""
    return len(re.findall(r"(?<!\\)\|", line))


def study(name: str, texts: list[str]) -> None:
    """Two runs whose names, choices and values are these texts."""
    label, dataset, value, score, way = texts
    for number, estimator in enumerate((label, "other")):
        place = finish(f"run{number}", far(0.1 * number), estimator, law=value)
        scores = {s: {score: {way: far(0.1 * number)}} for s in ("test", "validation")}
        change(
            place,
            scores=scores,
            way=way,
            goal={"score": score, "way": None, "larger_is_better": True},
        )
        change(
            place,
            config__name=name,
            config__choices__dataset=dataset,
            commit=label,
            versions={"torch": value},
        )
        change(place, config__dataset={"note": dataset}, receipt={"own_code": {value: f"{number}"}})
        record(place, {"loss/train": [far(0.3)]}, 10)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(TEXT, st.lists(TEXT, min_size=5, max_size=5))
@example("<script>", ["$a$ <script> | [/b] =1", "\x1b[31m\n|", "=1+1", "a|b", "\u202e$"])
@example("\ud800", ["_", "\ud800", "@x", "_x", "`"])
def test_text_of_users_stays_text_in_every_output(
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    name: str,
    texts: list[str],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("escape")
        patch.chdir(folder)
        study(name, texts)
        assert main(["study", "--latex", "--figures"]) == 0
        output = capsys.readouterr()
        for text in (output.out, output.err):
            assert all(sign.isprintable() for sign in text.replace("\n", ""))
        # Files are in place, and nowhere else.
        assert {path.name for path in folder.iterdir()} == {"study"}
        for path in Path("study/figures").iterdir():
            assert re.fullmatch(r"[A-Za-z0-9_.=+-]+\.(png|svg|pdf)", path.name)
        for path in Path("study/figures").glob("*.svg"):
            ET.parse(path)
        html = Path("study/report.html").read_text()
        page = Page(html)
        assert not {"img", "iframe", "link", "base", "form"} & set(page.tags)
        assert page.tags.count("script") == 1
        assert all(re.match(r"#|[\w./%~-]+/$", address) for address in page.links)
        assert not any(attribute.startswith("on") for attribute in page.attributes)
        for picture in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
            ET.fromstring(picture)
        assert all(s.isprintable() or s == "\n" for s in html)
        for kind in ("", "-final", "-pairs", "-seeds", "-aggregates"):
            with Path(f"study/report{kind}.csv").open(newline="") as file:
                rows = list(csv.reader(file))
            assert len({len(row) for row in rows}) == 1
            for cell in (cell for row in rows for cell in row):
                assert not re.match(r"\s*[=+@-](?!\d|inf)", cell)
        blocks = Path("study/report.md").read_text().split("\n\n")
        for table in (block for block in blocks if block.startswith("| ")):
            assert len({cells(line) for line in table.splitlines()}) == 1
        assert sum(block.startswith("#") for block in blocks) == 4
        tex = Path("study/report.tex").read_text().splitlines()
        rows = [line for line in tex if line.endswith(r" \\") and "shortstack" not in line]
        assert rows
        assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1
        for row in rows:
            plain = re.sub(r"\\text[a-z]+|\\pm|\\[\\{}&%$#_]|\$\\pm\$", "", row)
            assert not re.search(r"[\\$#%^~]", plain)


@given(TEXT)
def test_what_a_terminal_shows_is_printable(text: str) -> None:
    shown = escape.visible(text)
    assert shown.isprintable()
    assert not any(unicodedata.bidirectional(s) in ("RLO", "LRO", "RLE", "LRE") for s in shown)
    assert escape.visible(shown) == shown


@given(CELL)
def test_printable_text_is_shown_as_it_is(text: str) -> None:
    assert escape.visible(text) == text


@given(TEXT)
def test_a_csv_cell_is_no_formula(text: str) -> None:
    cell = escape.csv_cell(text)
    assert cell.removeprefix("'") == escape.visible(text) or cell == escape.visible(text)
    if re.match(r"\s*[=+@-]", cell):
        float(cell)


@pytest.mark.parametrize("text", ["-0.5", "+1", "-1e-3", "word", "a=b", "x@y", "-inf"])
def test_numbers_and_words_are_plain_cells(text: str) -> None:
    assert escape.csv_cell(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sigmoid_st slope=2.0", "sigmoid_st slope=2.0"),
        ("[200, 100]", "[200, 100]"),
        ("0.970 ± 0.025", "0.970 ± 0.025"),
        ("-91.0 ± 2.5", "-91.0 ± 2.5"),
        ("a|b", "a&#124;b"),
        ("_em_", "&#95;em&#95;"),
        ("- a", "&#45; a"),
        ("12. a", "&#49;2. a"),
        ("[a](b)", "[a&#93;(b)"),
        ("https://x", "https&#58;//x"),
        ("www.x", "www&#46;x"),
        ("@user", "&#64;user"),
        ("<b>$x$ `y` *z* ~w~ # &", "&#60;b>$x$".replace(">", "&#62;").replace("$", "&#36;")
         + " &#96;y&#96; &#42;z&#42; &#126;w&#126; &#35; &#38;"),
    ],
)  # fmt: skip
def test_markdown_keeps_what_is_plain(text: str, shown: str) -> None:
    assert escape.markdown(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("50% a_b #1 & {c} $d$", r"50\% a\_b \#1 \& \{c\} \$d\$"),
        ("[v2] *", "{[}v2{]} {*}"),
        ("a\\b ~ ^ < > | `", r"a\textbackslash{}b \textasciitilde{} \textasciicircum{} "
         r"\textless{} \textgreater{} \textbar{} \textasciigrave{}"),
        ("0.5 ± 0.1 –", r"0.5 $\pm$ 0.1 --"),
    ],
)  # fmt: skip
def test_latex_has_no_command_of_a_user(text: str, shown: str) -> None:
    assert escape.latex(text) == shown


@settings(deadline=None, max_examples=50)
@given(TEXT)
def test_matplotlib_draws_no_formula_and_hides_no_label(text: str) -> None:
    axes = Figure().add_subplot()
    (line,) = axes.plot([0, 1], label=escape.mathtext(text))
    if text:
        assert axes.get_legend_handles_labels()[0] == [line]
    shown, math = axes.set_title(escape.mathtext(text))._preprocess_math(escape.mathtext(text))
    assert math is not True
    assert str(shown).lstrip("\u200b") == escape.visible(text)


def test_names_of_files_are_plain_short_and_different() -> None:
    taken: set[str] = set()
    texts = ["a[1]", "a(1)", "A 1", "../../etc", "x" * 999, "x" * 998, "", "..", "中", "文"]
    names = [escape.file_name(text, taken) for text in texts]
    assert names[:4] == ["a-1", "a-1-2", "A-1-3", "etc"]
    assert len({name.lower() for name in names}) == len(texts)
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_=+-][A-Za-z0-9_.=+-]{0,159}", name)


def test_group_runs_with_like_names_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for neuron in ("<b>", "$|`"):
        for estimator in ("a[1]", "a(1)"):
            place = finish(f"{ord(neuron[0])}{estimator}", far(0.0), estimator, neuron)
            record(place, {"loss/train": [far(0.3)]}, 10)
    assert main(["study", "--tensorboard"]) == 0
    folders = sorted(Path("study/groups").iterdir())
    assert [folder.name for folder in folders] == ["estimator=a-1", "estimator=a-1-2"]
    events = EventAccumulator(str(folders[0])).Reload()
    (event,) = events.Tensors("group/about/text_summary")
    text = event.tensor_proto.string_val[0].decode()
    assert "Settings: neuron=&#36;&#124;&#96;; neuron=&#60;b&#62;" in text
