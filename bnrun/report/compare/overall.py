"""All contests of a report together: who comes first, and who beats whom by how much."""

from collections.abc import Sequence

from bnrun.config.count import number_of
from bnrun.report.compare.contest import Contest, Pair
from bnrun.report.compare.verdict import Verdict, listed

_SHOWN = 6
"""Lines about who beats whom that a reader takes in at a glance."""


def headline_of_all(verdicts: Sequence[Verdict]) -> str:
    """All verdicts in one line.

    A contestant is ahead (behind) in a setting if it is better (worse) than at least one other by
    more than noise.
    """
    if len(verdicts) == 1:
        return verdicts[0].headline
    *scores, last = dict.fromkeys(verdict.contest.yardstick.text for verdict in verdicts)
    texts = [", ".join(scores), last] if scores else [last]
    return f"{_over_all(verdicts)} ({' and '.join(texts)})"


def _over_all(verdicts: Sequence[Verdict]) -> str:
    contests = [verdict.contest for verdict in verdicts]
    labels = dict.fromkeys(c.label for contest in contests for c in contest.contestants)
    records = {label: _record(contests, label) for label in labels}
    number = len(verdicts)
    most = max(ahead - behind for ahead, behind, _ in records.values())
    leaders = [label for label, (ahead, behind, _) in records.items() if ahead - behind == most]
    if not any(ahead for ahead, _, _ in records.values()):
        few = all(verdict.kind in ("few", "alone") for verdict in verdicts)
        reason = "Too few seeds to tell" if few else "No clear winner"
        return f"{reason} in any of {number} settings"
    if len(leaders) > 1:
        return f"No single winner over {number} settings: {listed(leaders)} are level"
    ahead, behind, entered = records[leaders[0]]
    return (
        f"{leaders[0]} comes first: ahead in {ahead} of {number_of(entered, 'setting')}, "
        f"behind in {behind or 'none'}"
    )


def clear_pairs(contests: Sequence[Contest]) -> list[str]:
    """One line for each two contestants that differ by more than noise in at least one setting.

    Sorted by the number of settings. E.g. a beats b in 2 of 4 settings, by 0.02 to 0.4.
    """
    clear: dict[tuple[str, str], list[tuple[Contest, Pair]]] = {}
    for contest in contests:
        for pair in contest.pairs:
            if pair.difference.significant:
                labels = (pair.better.label, pair.worse.label)
                clear.setdefault(labels, []).append((contest, pair))
    order = sorted(clear.items(), key=lambda item: -len(item[1]))
    lines = [_line(contests, *labels, wins) for labels, wins in order[:_SHOWN]]
    rest = len(order) - len(lines)
    if rest:
        lines.append(f"and {number_of(rest, 'more such pair')}, see the table of pairs")
    return lines


def _record(contests: Sequence[Contest], label: str) -> tuple[int, int, int]:
    """Numbers of settings in which a contestant is ahead, is behind, and takes part."""
    clear = [
        (
            any(p.difference.significant and p.better.label == label for p in contest.pairs),
            any(p.difference.significant and p.worse.label == label for p in contest.pairs),
        )
        for contest in contests
        if any(c.label == label for c in contest.contestants)
    ]
    return sum(ahead for ahead, _ in clear), sum(behind for _, behind in clear), len(clear)


def _line(
    contests: Sequence[Contest], better: str, worse: str, wins: Sequence[tuple[Contest, Pair]]
) -> str:
    met = sum({better, worse} <= {c.label for c in contest.contestants} for contest in contests)
    line = f"{better} beats {worse} in {len(wins)} of {number_of(met, 'setting')}"
    if len({contest.yardstick for contest, _ in wins}) > 1:
        return line  # Differences of several scores have no common scale.
    sizes = [f"{size:.2g}" for size in sorted(pair.difference.mean for _, pair in wins)]
    return f"{line}, by {sizes[0]}" + (f" to {sizes[-1]}" if sizes[0] != sizes[-1] else "")
