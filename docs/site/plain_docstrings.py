"""Docstrings of this package as reStructuredText.

They are plain text: paragraphs; lists of names, each followed by two spaces or more and what it
means; and formulas, which keep their lines.
"""

import dataclasses
import re
from itertools import groupby
from typing import Any

from sphinx.application import Sphinx

_ITEM = re.compile(r"(\S.*?) {2,}(\S.*)")
_FORMULA = re.compile(r"(forward|backward): ")
_LABELLED = re.compile(r"(Noise law|Exact|Cost|Source): ")


def converted(lines: list[str]) -> list[str]:
    """The lines of a docstring as those of reStructuredText."""
    paragraphs = [
        list(part) for filled, part in groupby(lines, lambda line: bool(line.strip())) if filled
    ]
    return [line for paragraph in paragraphs for line in [*_paragraph(paragraph), ""]]


def _paragraph(lines: list[str]) -> list[str]:
    item = _ITEM.fullmatch(lines[0])
    if item and not lines[0].startswith(("- ", " ")) and not _FORMULA.match(lines[0]):
        return _definitions(lines, item.start(2))
    if _FORMULA.match(lines[0]):
        end = next((n for n, line in enumerate(lines) if _LABELLED.match(line)), len(lines))
        return [*_verbatim(lines[:end]), "", *_labelled(lines[end:])]
    if any(line.startswith("  ") for line in lines):
        return _verbatim(lines)
    return [_escaped(line) for line in lines]


def _verbatim(lines: list[str]) -> list[str]:
    return [".. code-block:: text", "", *(f"    {line}" for line in lines)]


def _labelled(lines: list[str]) -> list[str]:
    """Passages that begin with a label, a paragraph each."""
    return [
        text
        for line in lines
        for text in (["", _escaped(line)] if _LABELLED.match(line) else [_escaped(line.strip())])
    ]


def _definitions(lines: list[str], column: int) -> list[str]:
    """Names, and what they mean from this column on."""
    made: list[str] = []
    for line in lines:
        if not line.startswith(" "):
            made.append(f"``{line[: column - 1].strip()}``")
        made.append(f"    {_escaped(line[column:].strip())}")
    return made


def _escaped(line: str) -> str:
    """A line of prose: code stays code, all other marks are text."""
    parts = re.split(r"`([^`]+)`", line)
    parts[::2] = [re.sub(r"([\\*_|`])", r"\\\1", text) for text in parts[::2]]
    parts[1::2] = [f"``{code}``" for code in parts[1::2]]
    return "".join(parts)


def _process(
    _app: Sphinx, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]
) -> None:
    lines[:] = converted(lines)


def _fields(
    _app: Sphinx, what: str, _name: str, member: Any, _options: Any, *_signature: str | None
) -> tuple[str, None] | None:
    """The call of a dataclass: its public fields with their defaults, without types."""
    if what != "class" or not dataclasses.is_dataclass(member):
        return None
    given = [field for field in dataclasses.fields(member) if field.name[0] != "_" and field.init]
    return f"({', '.join(map(_field, given))})", None


def _field(field: dataclasses.Field[Any]) -> str:
    known = field.default is not dataclasses.MISSING
    return f"{field.name}={field.default!r}" if known else field.name


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _process)
    app.connect("autodoc-process-signature", _fields)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
