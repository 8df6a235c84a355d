"""The report in Markdown."""

from itertools import chain

from bnrun.recording.escape import markdown
from bnrun.report.compare.overall import clear_pairs, headline_of_all
from bnrun.report.compare.report import Report
from bnrun.report.read.settings import RunTable
from bnrun.report.render.aggregate_columns import aggregate_columns, aggregate_title
from bnrun.report.render.contest_columns import final_columns, pair_columns, seed_columns
from bnrun.report.render.run_columns import RunColumns
from bnrun.report.render.tables import markdown_table


def markdown_page(report: Report) -> str:
    """The verdicts, the tables of contestants, pairs and runs, and the notes."""
    parts = ["# Runs compared"]
    if len(report.verdicts) > 1:
        parts.append(markdown(headline_of_all(report.verdicts)))
        parts += [f"- {markdown(line)}" for line in clear_pairs(report.contests)]
    parts += [f"**{markdown(v.headline)}.** {markdown(v.detail)}" for v in report.verdicts]
    if any(contest.pairs for contest in report.contests):
        words, numbers = final_columns(report.contests)
        numbers += seed_columns(report.contests)
        parts += ["## Final scores", markdown_table(words, numbers)]
        parts += ["## Pairs", markdown_table(*pair_columns(report.contests))]
    for aggregate in report.aggregates:
        title = f"## {markdown(aggregate_title(aggregate))}"
        parts += [title, markdown_table(*aggregate_columns(aggregate))]
    parts += ["## Runs", _runs(report.table), *map(markdown, report.notes)]
    return "\n\n".join(parts) + "\n"


def _runs(table: RunTable) -> str:
    columns = RunColumns(table)
    numbers = [*chain(*columns.scores.values()), columns.seconds]
    return f"In all runs: {markdown(columns.caption)}\n\n{markdown_table(columns.words, numbers)}"
