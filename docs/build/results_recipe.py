"""What docs/results/<recipe>.yaml may say: the text, tables and figures of one recipe."""

from pathlib import Path
from typing import Annotated

from omegaconf import OmegaConf
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from yaml import YAMLError


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Published(_Part):
    """A published number.

    where   settings of the row that shows it
    column  score/way of the column next to it
    tag     P read in the paper or its code, S from an independent source, M from memory
    """

    where: dict[str, str]
    column: str
    value: float
    tag: Annotated[str, Field(pattern="^[PSM]$")]


class Tuning(_Part):
    """Settings that are chosen on validation, separately for each value of the others.

    over   e.g. optimizer.lr, or several that are chosen together
    score  score/way whose largest mean is chosen
    ways   score/way -> its name: each is a value of the setting `way`, and its score is `chosen`
    """

    over: str | list[str]
    score: str
    ways: dict[str, str] = {}


class _Selection(_Part):
    """Rows of the raw results.

    where    setting -> value: only these
    without  setting -> values: not these
    tuned    only these of a setting that was tuned; all values if there is none
    """

    title: str
    split: str
    where: dict[str, str] = {}
    without: dict[str, list[str]] = {}
    tuned: Tuning | None = None


class TableSpec(_Selection):
    """A table with one row per combination of the settings in `rows`.

    columns  score/way -> title
    ratios   score/way -> title of a column that divides it, seed by seed, by that of the row `base`
    base     settings of that row, some or all of `rows`
    """

    rows: list[str]
    columns: dict[str, str]
    ratios: dict[str, str] = {}
    base: dict[str, str] = {}
    published: list[Published] = []


class FigureSpec(_Selection):
    """A figure with one line per combination of the settings in `lines`.

    points  score/way -> its place on the x axis
    log     use logarithmic axes
    """

    name: Annotated[str, Field(pattern="^[a-z0-9-]+$")]
    lines: list[str]
    points: dict[str, float]
    xlabel: str
    ylabel: str
    log: bool = False


class ContrastSpec(_Part):
    """A table of differences between contestants on test, with one row per place.

    places       settings of each row
    contestants  name -> its settings
    pairs        [a, b]: a column with the score of a minus that of b
    score        score/way
    """

    title: str
    tuned: Tuning
    places: list[dict[str, str]]
    contestants: dict[str, dict[str, str]]
    pairs: list[tuple[str, str]]
    score: str


class StandingsSpec(_Part):
    """A table of test scores, with of how many others each contestant is ahead and behind.

    places        title -> settings of a column, in which contestants are compared
    contestants   name -> its settings
    score, lower  score/way, and whether less of it is better
    search_seeds  seeds that chose the learning rate, which do not count
    """

    title: str
    places: dict[str, dict[str, str]]
    contestants: dict[str, dict[str, str]]
    score: str
    lower: bool = False
    digits: int = 3
    search_seeds: list[str] = []


class AgreementSpec(_Part):
    """A table of Kendall's tau between statistics of gradients and the tuned test score.

    trained     settings of the runs whose score counts; the others measure gradients
    net, nets   the setting that tells nets apart, and its values
    estimators  measured and trained
    predictors  statistic, e.g. total/cosine_single -> title
    signs       title -> -1 if less of it is better, else 1
    times       step of the measurement -> title
    """

    title: str
    tuned: Tuning
    trained: dict[str, str]
    net: str
    nets: list[str]
    estimators: list[str]
    predictors: dict[str, str]
    signs: dict[str, float]
    times: dict[str, str]


class Recipe(_Part):
    """One section of the page.

    design  Markdown, written before the runs: the question, and what will decide it. With a design,
            a recipe may be on the page before it has results
    text    Markdown, what came out
    """

    title: str
    command: str
    budget: str
    design: str = ""
    text: str = ""
    tables: list[TableSpec] = []
    contrasts: list[ContrastSpec] = []
    standings: list[StandingsSpec] = []
    agreements: list[AgreementSpec] = []
    figures: list[FigureSpec] = []


def read_recipe(path: Path) -> Recipe:
    """The recipe in a yaml file. Raises ValueError, with the file and key, if it is not valid."""
    try:
        return Recipe.model_validate(OmegaConf.to_container(OmegaConf.load(path), resolve=True))
    except YAMLError as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path}: {place}: {first['msg']}") from error
