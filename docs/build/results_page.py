"""Write docs/results.md from the raw results and notes in docs/results.

python docs/build/results_page.py

For each recipe the folder has <recipe>.csv, the raw results per seed (made by collect.py), and
<recipe>.yaml, which says what to show: title, command, text, tables with published numbers,
figures. Exit status 1 if they do not fit together.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from agreement_table import agreement_table
from contrasts_table import contrasts_table
from raw_results import read_raw
from results_recipe import FigureSpec, TableSpec, read_recipe
from standings_table import standings_table
from tuned import settings_of, tuned

from bnrun.recording.files import replaced
from bnrun.recording.intervals import decimals, interval_text, mean_interval
from bnrun.report.read.column import Column
from bnrun.report.render.figures import save
from bnrun.report.render.panel import Line, Panel
from bnrun.report.render.style import styles
from bnrun.report.render.tables import markdown_table

RESULTS = Path(__file__).parents[1] / "results"

HEAD = """# Results

Experiments from the literature, each run by name, next to the published numbers. Ours are means
over seeds ± half the width of the 95 % t interval. Published numbers are marked (P) if read in the
paper or its authors' code, (S) if taken from an independent re-run or notes, (M) if from memory
and not checked. This page is written by `python docs/build/results_page.py` from the raw results
per seed in [results/](results/).
"""

Row = dict[str, str]


def publish(folder: Path) -> Path:
    """Write <folder>.md, and its figures into the folder.

    Raises ValueError if the folder holds no recipe, or if a recipe and its results do not match.
    """
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise ValueError(f"{folder}: no <recipe>.yaml in it")
    sections = [_section(path) for path in files]
    page = folder.with_suffix(".md")
    with replaced(page) as file:
        file.write("\n".join([HEAD, *sections]).encode())
    return page


def _section(path: Path) -> str:
    recipe = read_recipe(path)
    design = ["**Design, fixed before the runs.** " + recipe.design.strip()] * bool(recipe.design)
    if design and not path.with_suffix(".csv").exists():
        origin = f"`{recipe.command}`; no results yet."
        return "\n\n".join([f"## {recipe.title}", origin, *design]) + "\n"
    rows = read_raw(path.with_suffix(".csv"))
    runs = {tuple(settings_of(row).values()): row for row in rows}.values()
    minutes = round(sum(float(row["seconds"]) for row in runs) / 60)
    origin = (
        f"`{recipe.command}`, budget {recipe.budget}; {len(runs)} runs, {minutes} "
        f"minute{'s' * (minutes != 1)} of wall time in all; {_listed(runs, 'machine')}; "
        f"commit {_listed(runs, 'commit')}."
    )
    parts = [f"## {recipe.title}", origin, *design, recipe.text.strip()]
    for table in recipe.tables:
        parts += [f"**{table.title}**", _table(table, rows, path)]
    for contrast in recipe.contrasts:
        parts += [f"**{contrast.title}**", contrasts_table(contrast, rows, path)]
    for standings in recipe.standings:
        parts += [f"**{standings.title}**", standings_table(standings, rows, path)]
    for agreement in recipe.agreements:
        parts += [f"**{agreement.title}**", agreement_table(agreement, rows, path)]
    for figure in recipe.figures:
        _save_figure(figure, rows, path.parent / f"{path.stem}-{figure.name}")
        parts.append(f"![{figure.title}]({path.parent.name}/{path.stem}-{figure.name}.svg)")
    return "\n\n".join(parts) + "\n"


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
                f"{path}: table {table.title!r} does not show the published {number.value:g}: no "
                f"row has {number.where}, or no column is {number.column}"
            )
    words = [Column(n, tuple(key[i] for key in groups)) for i, n in enumerate(table.rows)]
    seeds = Column("seeds", tuple(str(len(group)) for group in groups.values()))
    numbers: list[Column] = []
    for column, title in table.ratios.items():
        numbers.append(_cells(title, _ratios(groups, table, column, path)))
    for column, title in table.columns.items():
        numbers.append(_cells(title, [_values(group, column, path) for group in groups.values()]))
        cells = tuple(_published(table, column, key) for key in keys)
        if any(cells):
            numbers.append(Column("published", cells))
    return markdown_table(words, [seeds, *numbers])


def _ratios(
    groups: Mapping[tuple[str, ...], Sequence[Row]], table: TableSpec, column: str, path: Path
) -> list[list[float]]:
    """Each row's values divided, seed by seed, by those of the row that the table calls base."""
    keys = [
        key
        for key in groups
        if table.base.items() <= dict(zip(table.rows, key, strict=True)).items()
    ]
    if len(keys) != 1:
        raise ValueError(
            f"{path}: table {table.title!r} has {len(keys)} rows with {table.base}, but ratios "
            f"need one"
        )
    base = groups[keys[0]]
    by_seed = dict(zip((row["seed"] for row in base), _values(base, column, path), strict=True))
    return [
        [
            value / by_seed[row["seed"]]
            for row, value in zip(group, _values(group, column, path), strict=True)
        ]
        for group in groups.values()
    ]


def _cells(title: str, values: Sequence[Sequence[float]]) -> Column:
    digits = decimals(values)
    return Column(title, tuple(_cell(v, digits) for v in values))


def _cell(values: Sequence[float], digits: int) -> str:
    """Mean ± interval; the number alone if all seeds share it, like a count."""
    return f"{values[0]:g}" if len(set(values)) == 1 else interval_text(values, digits)


def _groups(
    rows: Sequence[Row], spec: TableSpec | FigureSpec, by: Sequence[str]
) -> dict[tuple[str, ...], list[Row]]:
    """The rows that a table or figure selects, grouped by the settings `by`."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    if spec.tuned is not None:
        rows = tuned(rows, spec.tuned)
    for row in rows:
        chosen = all(row.get(key) == value for key, value in spec.where.items())
        left_out = any(row.get(key) in values for key, values in spec.without.items())
        if row["split"] == spec.split and chosen and not left_out:
            groups.setdefault(tuple(row[key] for key in by), []).append(row)
    return groups


def _values(rows: Sequence[Row], column: str, path: Path) -> list[float]:
    if column not in rows[0]:
        raise ValueError(f"{path}: the raw results have no column {column}")
    return [float(row[column] or "nan") for row in rows]


def _published(table: TableSpec, column: str, key: Mapping[str, str]) -> str:
    numbers = [
        f"{number.value:g} ({number.tag})"
        for number in table.published
        if number.column == column and number.where.items() <= key.items()
    ]
    return "; ".join(numbers)


def _save_figure(figure: FigureSpec, rows: Sequence[Row], stem: Path) -> None:
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
        if path.suffix != ".svg":
            path.unlink()  # The page shows the SVG.


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page and its figures. Returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "folder", nargs="?", type=Path, default=RESULTS, help="raw results (default: docs/results)"
    )
    try:
        page = publish(parser.parse_args(arguments).folder)
    except (ValueError, OSError) as error:
        print(f"results_page: {error}", file=sys.stderr)
        return 1
    print(f"written: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
