"""docs/results.md: published numbers beside ours, from committed raw results and their notes.

For each recipe the folder has <recipe>.csv, raw results per seed, and <recipe>.yaml, which says
what to show of them: title, command, text, tables with published numbers, figures.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from omegaconf import OmegaConf
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from raw import FACTS, read_raw
from yaml import YAMLError

from bnrun.recording.files import replaced
from bnrun.recording.intervals import mean_interval
from bnrun.report.read.layout import Column, markdown_table
from bnrun.report.read.scores import decimals, interval_text
from bnrun.report.render.curves import Line, Panel
from bnrun.report.render.figures import save, styles

HEAD = """# Results

The field's experiments, run by name and shown beside the published numbers. Ours are means over
seeds ± half the 95 % t interval. Published numbers are marked (P) where they were read in the paper
or its authors' code, (S) where they come from an independent re-run or notes, (M) where they are
remembered and were not checked. This page is made by `python docs/build/publication.py publish
docs/results` from the raw results per seed in [results/](results/).
"""

Row = dict[str, str]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Published(_Part):
    """A published number: in the row with these settings, beside this column."""

    where: dict[str, str]
    column: str
    value: float
    tag: Annotated[str, Field(pattern="^[PSM]$")]


class TableSpec(_Part):
    """A table: one row per combination of the settings `rows`, of the rows that `where` selects.

    without  setting -> values whose rows are left out

    columns  score/way -> its title
    """

    title: str
    split: str
    where: dict[str, str] = {}
    without: dict[str, list[str]] = {}
    rows: list[str]
    columns: dict[str, str]
    published: list[Published] = []


class FigureSpec(_Part):
    """A figure: one line per combination of the settings `lines`, over columns score/way -> x.

    log  both axes are logarithmic
    """

    name: Annotated[str, Field(pattern="^[a-z0-9-]+$")]
    title: str
    split: str
    where: dict[str, str] = {}
    without: dict[str, list[str]] = {}
    lines: list[str]
    points: dict[str, float]
    xlabel: str
    ylabel: str
    log: bool = False


class Recipe(_Part):
    """What the page says about one recipe; `text` is Markdown."""

    title: str
    command: str
    budget: str
    text: str
    tables: list[TableSpec]
    figures: list[FigureSpec] = []


def publish(folder: Path) -> Path:
    """Write <folder>.md and the figures in <folder>; raises ValueError for what does not fit."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise ValueError(f"{folder}: no <recipe>.yaml to make a page of")
    sections = [_section(path) for path in files]
    page = folder.with_suffix(".md")
    with replaced(page) as file:
        file.write("\n".join([HEAD, *sections]).encode())
    return page


def _section(path: Path) -> str:
    recipe, rows = _recipe(path), read_raw(path.with_suffix(".csv"))
    runs = {_settings(row): row for row in rows}.values()
    minutes = sum(float(row["seconds"]) for row in runs) / 60
    origin = (
        f"`{recipe.command}`, budget {recipe.budget}; {len(runs)} runs, {minutes:.0f} minutes of "
        f"wall time in all; {_listed(runs, 'machine')}; commit {_listed(runs, 'commit')}."
    )
    parts = [f"## {recipe.title}", origin, recipe.text.strip()]
    for table in recipe.tables:
        parts += [f"**{table.title}**", _table(table, rows, path)]
    for figure in recipe.figures:
        _draw(figure, rows, path.parent / f"{path.stem}-{figure.name}")
        parts.append(f"![{figure.title}]({path.parent.name}/{path.stem}-{figure.name}.svg)")
    return "\n\n".join(parts) + "\n"


def _recipe(path: Path) -> Recipe:
    try:
        return Recipe.model_validate(OmegaConf.to_container(OmegaConf.load(path), resolve=True))
    except YAMLError as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path}: {place}: {first['msg']}") from error


def _settings(row: Row) -> tuple[str, ...]:
    """What tells a run from others: its settings, which stand before the facts."""
    columns = list(row)
    return tuple(row[column] for column in columns[: columns.index(FACTS[0])])


def _listed(runs: Iterable[Row], fact: str) -> str:
    return ", ".join(sorted({run[fact] for run in runs} - {""})) or f"{fact} unknown"


def _table(table: TableSpec, rows: Sequence[Row], path: Path) -> str:
    groups = _groups(rows, table, table.rows)
    if not groups:
        raise ValueError(f"{path}: table {table.title!r} selects no row of the raw results")
    keys = [dict(zip(table.rows, key, strict=True)) for key in groups]
    for number in table.published:
        placed = any(number.where.items() <= key.items() for key in keys)
        if number.column not in table.columns or not placed:
            raise ValueError(
                f"{path}: table {table.title!r} has no place for the published {number.value:g}: "
                f"no row has {number.where}, or no column is {number.column}"
            )
    words = [Column(n, tuple(key[i] for key in groups)) for i, n in enumerate(table.rows)]
    seeds = Column("seeds", tuple(str(len(group)) for group in groups.values()))
    numbers: list[Column] = []
    for column, title in table.columns.items():
        values = [_values(group, column, path) for group in groups.values()]
        digits = decimals(values)
        numbers.append(Column(title, tuple(_cell(v, digits) for v in values)))
        cells = tuple(_published(table, column, key) for key in keys)
        if any(cells):
            numbers.append(Column("published", cells))
    return markdown_table(words, [seeds, *numbers])


def _cell(values: Sequence[float], digits: int) -> str:
    """Mean and interval; a number that is the same for all seeds, like a count, as it is."""
    return f"{values[0]:g}" if len(set(values)) == 1 else interval_text(values, digits)


def _groups(
    rows: Sequence[Row], wanted: TableSpec | FigureSpec, by: Sequence[str]
) -> dict[tuple[str, ...], list[Row]]:
    """The rows that a table or figure is about, by the values of the settings `by`."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        chosen = all(row.get(key) == value for key, value in wanted.where.items())
        left_out = any(row.get(key) in values for key, values in wanted.without.items())
        if row["split"] == wanted.split and chosen and not left_out:
            found.setdefault(tuple(row[key] for key in by), []).append(row)
    return found


def _values(rows: Sequence[Row], column: str, path: Path) -> list[float]:
    if column not in rows[0]:
        raise ValueError(f"{path}: the raw results have no column {column}")
    return [float(row[column] or "nan") for row in rows]


def _published(table: TableSpec, column: str, key: Mapping[str, str]) -> str:
    found = [
        f"{number.value:g} ({number.tag})"
        for number in table.published
        if number.column == column and number.where.items() <= key.items()
    ]
    return "; ".join(found)


def _draw(figure: FigureSpec, rows: Sequence[Row], stem: Path) -> None:
    groups = _groups(rows, figure, figure.lines)
    x = np.array(list(figure.points.values()))
    lines = []
    for key, group in groups.items():
        values = [_values(group, column, stem) for column in figure.points]
        mean, half, _ = mean_interval(values)
        named = [f"{n} {v}" for n, v in zip(figure.lines, key, strict=True)]
        label = ", ".join(named) if len(key) > 1 else key[0]
        lines.append(Line(label, x, mean, mean - half, mean + half))
    panel = Panel(
        figure.title, figure.xlabel, figure.ylabel, lines, log=figure.log, log_x=figure.log
    )
    for path in save(panel, styles([line.label for line in lines]), stem):
        if path.suffix == ".png":
            path.unlink()  # The page shows the SVG.
