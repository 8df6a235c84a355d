"""Who is printed in bold: the best of a contest, and all that may be as good."""

from bnrun.report.compare.contest import Contest
from bnrun.report.compare.field import Contestant
from bnrun.report.compare.power import FEWEST

RULE = (
    "Bold: the best of a column and all that do not differ from it, by a sign-flip test corrected "
    f"over {{pairs}} (max-T, 5 %); none in a column with fewer than {FEWEST} shared seeds, with "
    "which no difference can pass."
)


def leaders(contest: Contest) -> list[Contestant]:
    """The best, and those that the test does not tell from it; none if it could tell nobody.

    A contestant that is ahead of another only because more of its seeds diverged is not the best.
    """
    survivors = [pair.better for pair in contest.pairs if pair.difference.survivors]
    known = [c for c in contest.contestants if c.finite and all(c is not s for s in survivors)]
    if not known:
        return []
    best = known[0]
    pairs = [(c, contest.pair(best, c)) for c in known[1:]]
    tested = [(c, pair) for c, pair in pairs if pair.difference.number >= FEWEST]
    if not tested:
        return []
    return [best, *(c for c, pair in tested if not pair.won_by(best))]
