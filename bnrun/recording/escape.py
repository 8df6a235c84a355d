"""Text of users in every kind of output: one function for each, which leaves nothing but text.

Names, labels, folders and values of settings may hold brackets, dollars, quotes, line breaks,
control characters. None of them may become markup, a formula, or a command to a terminal.
"""

import itertools
import re

_MARKDOWN = re.compile(
    r"[&<>|$~*\\`#]|(?<!\w)_|_(?!\w)"  # Tags, cells, formulas, emphasis, code, headings.
    r"|\](?=[\[(:])|(?<=http):|(?<=https):|(?<=ftp):|(?<=www)\.|@(?=\w)"  # Links.
    r"|^[-+=](?=[\s=+-]|$)|^\d(?=\d*[.)](?:\s|$))"  # Lists.
)
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    **{sign: f"\\{sign}" for sign in "&%$#_"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    # At the start of a row, these two would be arguments of the line break before it.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "±": r"$\pm$",
    "–": "--",
}


def visible(text: str) -> str:
    r"""For a terminal: what cannot be printed, or changes the direction of text, as an escape.

    E.g. a line break as \n. The other functions do so too.
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def markdown(text: str) -> str:
    """For Markdown, GitHub's and TensorBoard's, in a paragraph, a list or a table."""
    return _MARKDOWN.sub(lambda sign: f"&#{ord(sign[0])};", visible(text))


def latex(text: str) -> str:
    """For a cell of a LaTeX table."""
    return "".join(_LATEX.get(sign, sign) for sign in visible(text))


def csv_cell(text: str) -> str:
    """For a CSV file: a spreadsheet takes what starts with = + - @ for a formula, unless quoted."""
    text = visible(text)
    return f"'{text}" if re.match(r"\s*[=+\-@]", text) and not _is_number(text) else text


def mathtext(text: str) -> str:
    """For matplotlib, which takes what is between dollars for a formula."""
    text = visible(text).replace("$", r"\$")
    # It leaves labels that start with an underscore out of legends.
    return f"\N{ZERO WIDTH SPACE}{text}" if text.startswith("_") else text


def file_name(text: str, taken: set[str]) -> str:
    """For the name of a file or a folder, other than those in `taken`, to which it is added.

    Names that differ only in the case of letters are the same on some file systems.
    """
    plain = re.sub(r"[^A-Za-z0-9_.=+-]+", "-", text).strip("-.")[:150] or "unnamed"
    names = (plain if number == 1 else f"{plain}-{number}" for number in itertools.count(1))
    name = next(name for name in names if name.lower() not in taken)
    taken.add(name.lower())
    return name


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
