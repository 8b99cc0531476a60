"""Says of each planted bug whether the account has found it, and called it what it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from chaosp7.account.classes import MessageClass, TierAccount
from chaosp7.account.feeds import Feed
from chaosp7.account.gold import GoldAccount
from chaosp7.embedded.planted import Hit
from chaosp7.run.run import Run
from tests.faulty.catalogue import Bug, bugs_of

__all__ = ["Result", "judged"]

Wanted = dict[str, dict[MessageClass, dict[Feed, set[int]]]]


@dataclass
class Result:
    """What the account made of one bug."""

    bug: Bug
    verdict: str
    hits: int = 0
    first_tier: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def found(self) -> bool:
        """Whether it was found, and called what it is."""
        return not self.problems


def judged(run: Run, group: str, hits: dict[str, list[Hit]], verdict: str) -> list[Result]:
    bounds = next(a.bounds for a in run.accounts().tiers.values() if isinstance(a, TierAccount))
    wanted: Wanted = defaultdict(lambda: defaultdict(lambda: defaultdict(set)))
    results = {}
    feeds: dict[Feed, list[Result]] = defaultdict(list)
    for bug in bugs_of(group):
        # Numbers beyond what was sent aren't in the account of sent messages.
        mine = [h for h in hits[bug.name] if bounds[h.feed].first <= h.sequence <= bounds[h.feed].last]
        results[bug.name] = _happened(bug, mine, verdict)
        for feed in {hit.feed for hit in mine}:
            feeds[feed].append(results[bug.name])
        for effect in bug.effects:
            for tier in effect.tiers:
                for hit in mine:
                    if hit.role == effect.role:
                        wanted[tier][effect.kind][hit.feed].add(hit.sequence)
        _check_first_tier(run, results[bug.name], mine)
    for tier, feed, problem in _differences(run, wanted):
        for result in feeds[feed] or results.values():
            result.problems.append(f"{tier} {feed}: {problem}")
    _check_candles(run, list(results.values()))
    return list(results.values())


def _happened(bug: Bug, hits: list[Hit], verdict: str) -> Result:
    """See that a bug has done its damage, as often as it should."""
    result = Result(bug, verdict, len({(hit.feed, hit.sequence, hit.role) for hit in hits}))
    if bug.effects:
        result.first_tier = bug.effects[0].tiers[0]
    if bug.effects and not hits:
        result.problems.append("it didn't happen")
    if bug.count is not None and result.hits != bug.count:
        result.problems.append(f"it happened {result.hits} times, not {bug.count}")
    if verdict != bug.verdict:
        result.problems.append(f"verdict {verdict}, not {bug.verdict}")
    return result


def _differences(run: Run, wanted: Wanted) -> Iterator[tuple[str, Feed, str]]:
    """Yield where the account says something else than what was done."""
    for tier, account in run.accounts().tiers.items():
        if not isinstance(account, TierAccount):
            continue
        graver: dict[Feed, set[int]] = defaultdict(set)
        for kind in MessageClass:
            if kind is MessageClass.DELIVERED:
                continue
            for feed in account.bounds:
                right = wanted[tier][kind][feed] - graver[feed]
                told = set(account.sequences(kind).get(feed, ()))
                graver[feed] |= right
                # A merge takes twins away whenever it likes, before silver has read them or after.
                if tier == "silver" and not right and told <= wanted["bronze"][kind][feed]:
                    continue
                if told != right:
                    yield (
                        tier,
                        feed,
                        f"{kind}: missed {sorted(right - told)}, too many {sorted(told - right)}",
                    )
        if account.unexpected_rows:
            yield tier, next(iter(account.bounds)), f"{account.unexpected_rows} unexpected"


def _check_first_tier(run: Run, result: Result, hits: list[Hit]) -> None:
    """See that what is lost is put down to the right tier and cause."""
    for effect in result.bug.effects:
        if effect.kind is not MessageClass.LOST:
            continue
        loss = next(one for one in run.accounts().attribution.tiers if one.tier == effect.tiers[0])
        for hit in hits:
            if hit.role != effect.role or hit.sequence not in loss.lost_here.get(hit.feed, ()):
                if hit.role == effect.role:
                    result.problems.append(f"{hit.feed} {hit.sequence} isn't put down to {effect.tiers[0]}")
                continue
            if result.bug.cause and hit.sequence not in getattr(loss, result.bug.cause).get(hit.feed, ()):
                result.problems.append(f"{hit.feed} {hit.sequence} isn't called {result.bug.cause}")


def _check_candles(run: Run, results: list[Result]) -> None:
    for tier, account in run.accounts().tiers.items():
        if isinstance(account, GoldAccount):
            _check_candle_tier(
                run,
                account,
                [one for one in results if one.bug.candles and one.bug.candles_of == tier],
                results,
            )


def _check_candle_tier(run: Run, account: GoldAccount, mine: list[Result], results: list[Result]) -> None:
    """See that a candle tier is blamed for what its own bugs have done, and for nothing else."""
    bounds = next(a.bounds for a in run.accounts().tiers.values() if isinstance(a, TierAccount))
    right: dict[str, int] = dict.fromkeys(("lost", "corrupted", "duplicated", "unexpected"), 0)
    for result in mine:
        feed = Feed(*result.bug.target.split(" "))
        for kind, what in result.bug.candles:
            result.first_tier = account.tier
            result.hits = result.hits if what == "hits" else bounds[feed].size
            right[kind] += result.hits
            if not result.hits:
                result.problems.append("it didn't happen")
    windows = account.windows
    told = {
        "lost": account.lost_here,
        "corrupted": max(window.corrupted - window.corrupted_inherited for window in windows),
        "duplicated": max(window.duplicated - window.duplicated_inherited for window in windows),
        "unexpected": account.counts.unexpected,
    }
    if told != right:
        for result in mine or results:
            result.problems.append(f"{account.tier} is blamed for {told}, not for {right}")
    named = {finding.key.feed for window in account.windows for finding in window.findings}
    for result in mine:
        if Feed(*result.bug.target.split(" ")) not in named:
            result.problems.append("no candle of its feed is named")
