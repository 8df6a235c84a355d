"""All contests of a report together: who comes first, and who beats whom by how much."""

from collections.abc import Sequence

from bnrun.report.compare.contest import Contest, Pair
from bnrun.report.compare.verdict import Verdict, listed

_SHOWN = 6
"""Lines of who beats whom that a reader takes in at once."""


def summary(verdicts: Sequence[Verdict]) -> str:
    """All verdicts in one line. Ahead and behind mean by more than noise, of at least one other."""
    if len(verdicts) == 1:
        return verdicts[0].headline
    contests = [verdict.contest for verdict in verdicts]
    labels = dict.fromkeys(c.label for contest in contests for c in contest.contestants)
    records = {label: _record(contests, label) for label in labels}
    number = len(verdicts)
    most = max(ahead - behind for ahead, behind, _ in records.values())
    first = [label for label, (ahead, behind, _) in records.items() if ahead - behind == most]
    if not any(ahead for ahead, _, _ in records.values()):
        few = all(verdict.kind in ("few", "alone") for verdict in verdicts)
        told = "Too few seeds to tell" if few else "No clear winner"
        return f"{told} in any of {number} settings"
    if len(first) > 1:
        return f"No single winner over {number} settings: {listed(first)} come out alike"
    ahead, behind, met = records[first[0]]
    lost = f"behind in {behind}" if behind else "behind in none"
    return f"{first[0]} comes first: ahead in {ahead} of {met} settings, {lost}"


def clear_pairs(contests: Sequence[Contest]) -> list[str]:
    """One line for each two contestants that differ by more than noise in some setting.

    Those of most settings first. E.g. a beats b in 2 of 4 settings, by 0.02 to 0.4.
    """
    found: dict[tuple[str, str], list[tuple[Contest, Pair]]] = {}
    for contest in contests:
        for pair in contest.pairs:
            if pair.told.significant:
                key = (pair.better.label, pair.worse.label)
                found.setdefault(key, []).append((contest, pair))
    order = sorted(found.items(), key=lambda item: -len(item[1]))
    lines = [_line(contests, *labels, beaten) for labels, beaten in order[:_SHOWN]]
    rest = len(order) - len(lines)
    return [*lines, f"and {rest} more such pairs, see the table of pairs"] if rest else lines


def _record(contests: Sequence[Contest], label: str) -> tuple[int, int, int]:
    """Numbers of settings in which a contestant is ahead, is behind, and takes part."""
    clear = [
        (
            any(p.told.significant and p.better.label == label for p in contest.pairs),
            any(p.told.significant and p.worse.label == label for p in contest.pairs),
        )
        for contest in contests
        if any(c.label == label for c in contest.contestants)
    ]
    return sum(ahead for ahead, _ in clear), sum(behind for _, behind in clear), len(clear)


def _line(
    contests: Sequence[Contest], better: str, worse: str, beaten: Sequence[tuple[Contest, Pair]]
) -> str:
    met = sum({better, worse} <= {c.label for c in contest.contestants} for contest in contests)
    line = f"{better} beats {worse} in {len(beaten)} of {met} setting" + "s" * (met > 1)
    if len({contest.yardstick for contest, _ in beaten}) > 1:
        return line  # Differences of several scores have no common scale.
    sizes = [f"{size:.2g}" for size in sorted(pair.told.mean for _, pair in beaten)]
    return f"{line}, by {sizes[0]}" + (f" to {sizes[-1]}" if sizes[0] != sizes[-1] else "")
