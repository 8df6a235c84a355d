"""The scores of one run as a table for the terminal."""

from rich.table import Table

from bnrun.recording.intervals import decimals, interval_text
from bnrun.recording.result import Result
from bnrun.recording.tags import ScoreName
from bnrun.report.read.column import Column
from bnrun.report.read.scores import score_names, shown_scores, values_of, way_text
from bnrun.report.render.tables import rich_table


def scores_table(result: Result) -> Table:
    """A row per way of evaluating and a column per split and score.

    Transposed if there are more than four columns, because they would not fit in a terminal.
    """
    names = shown_scores(score_names([result]))
    ways = tuple(dict.fromkeys(name.way for name in names))
    columns = []
    for split, score in dict.fromkeys((name.split, name.score) for name in names):
        digits = decimals(values_of(result, name) for name in names if name.score == score)
        values = [values_of(result, ScoreName(split, score, way)) for way in ways]
        cells = tuple(interval_text(row, digits) for row in values)
        columns.append(Column(f"{split} {score}", cells))
    labels = Column("evaluated", tuple(map(way_text, ways)))
    if len(columns) > 4:
        rows = zip(*(column.cells for column in columns), strict=True)
        scores = Column("score", tuple(column.title for column in columns))
        columns = [Column(way, row) for way, row in zip(labels.cells, rows, strict=True)]
        labels = scores
    table = rich_table([labels], columns)
    number = len(result["seeds"])
    table.caption = f"mean ± half the 95 % interval over {number} seeds" if number > 1 else None
    return table
