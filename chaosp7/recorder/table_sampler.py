"""Watches all ClickHouse tiers at the same moments, with one or two queries a look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from chaosp7.account.feeds import Feed
from chaosp7.platform.clickhouse import ClickHouse
from chaosp7.platform.model import TierKind
from chaosp7.recorder.attention import Attention
from chaosp7.recorder.heads import Known, Range
from chaosp7.recorder.looks import Looks
from chaosp7.recorder.pace import Pace
from chaosp7.recorder.table_query import Parts, Watch, islands, news, parse, parse_parts, parts
from chaosp7.recorder.timeline import Timeline

__all__ = ["TableSampler"]

#: At rest tiers that are due so close together are looked at together.
_TOGETHER_NS = 250_000_000


class TableSampler(Looks):
    """Asks ClickHouse again and again what is new at each tier.

    At full attention all tiers are looked at at the same moments; else each when it is due.

    A look that fails (the server is down, or doesn't answer in time) is noted as an error of all
    its tiers for as long as it took: nobody could have read them.

    Args:
        clickhouse: a connection of the thread's own.
        watch: what is watched.
        timelines: to fill, one per tier.
        paces: of the looks, by tier; at full attention the closest one is everybody's.
        attention: when it is full.
        spare_s: tells how long a tier stays fresh if nothing more comes, seconds.
        now_ns: the monotonic clock.
    """

    def __init__(
        self,
        clickhouse: ClickHouse,
        watch: Watch,
        timelines: Mapping[str, Timeline],
        paces: Mapping[str, Pace],
        attention: Attention,
        spare_s: Callable[[str], float],
        now_ns: Callable[[], int],
    ) -> None:
        super().__init__("table-sampler", min(pace.full_s for pace in paces.values()), attention, now_ns)
        self._paces = paces
        self._clickhouse = clickhouse
        self._watch = watch
        self._timelines = timelines
        self._spare_s = spare_s
        self._read: dict[str, Parts] = {}
        """Parts of which all tiers know every row."""
        self._due_ns = dict.fromkeys(watch.tiers, 0)

    def _failed(self, before_ns: int, after_ns: int, error: str) -> None:
        self._read = {}
        for timeline in self._timelines.values():
            timeline.add_error(before_ns, after_ns, error)

    def _close(self) -> None:
        self._clickhouse.close()

    def _look(self, look_ns: int, *, full: bool) -> float | None:
        looked_at = self._look_at_all(look_ns) if full else self._look_at_those_due(look_ns)
        late = False
        for name in looked_at:
            away_s = self._paces[name].away_s(self._spare_s(name))
            late |= away_s is None
            self._due_ns[name] = self._now_ns() + round((away_s or 0.0) * 1e9)
        return None if late else (min(self._due_ns.values()) - look_ns) / 1e9

    def _look_at_all(self, look_ns: int) -> Iterable[str]:
        """Look at all tiers; return them."""
        watch = self._watch
        seen = parse_parts(self._clickhouse.rows(parts(watch.tables)))
        listed_ns = self._now_ns()
        changed = {t for t in watch.tables if t not in seen or seen[t] != self._read.get(t)}
        touched = {name for name, tier in watch.tiers.items() if changed & tier.rows.keys()}
        found: list[tuple[str, list[Range], dict[int, int]]] = []
        if touched:
            found = self._news(changed, touched, seen)
        after_ns = self._now_ns()
        for name in watch.tiers.keys() - touched:
            # It is as it was, at the moment when the parts were listed.
            self._timelines[name].add(look_ns, listed_ns, ())
        for name, ranges, counts in found:
            # Of a table that wasn't queried only the list of parts tells that it had nothing new.
            before_ns = listed_ns if watch.tiers[name].rows.keys() <= changed else look_ns
            self._note(name, before_ns, after_ns, ranges, counts)
        self._read = seen
        return watch.tiers

    def _look_at_those_due(self, look_ns: int) -> Iterable[str]:
        """Look at some tiers; return them. That their tables have changed is taken for granted."""
        latest_ns = min(self._due_ns.values()) + _TOGETHER_NS
        due = {name for name, due_ns in self._due_ns.items() if due_ns <= latest_ns}
        tables = {table for name in due for table in self._watch.tiers[name].rows}
        seen = parse_parts(self._clickhouse.rows(parts(tables)))
        found = self._news(tables, due, seen)
        after_ns = self._now_ns()
        others = {t for name, tier in self._watch.tiers.items() if name not in due for t in tier.rows}
        self._read |= {table: seen.get(table, frozenset()) for table in tables - others}
        for name, ranges, counts in found:
            self._note(name, look_ns, after_ns, ranges, counts)
        return due

    def _note(
        self, name: str, before_ns: int, after_ns: int, ranges: list[Range], counts: dict[int, int]
    ) -> None:
        if self._watch.tiers[name].kind is TierKind.CANDLES:
            self._timelines[name].add_counts(before_ns, after_ns, counts)
        else:
            self._timelines[name].add(before_ns, after_ns, ranges)

    def _news(
        self, changed: set[str], touched: set[str], seen: Mapping[str, Parts]
    ) -> list[tuple[str, list[Range], dict[int, int]]]:
        # Of a part that came by the same name the rows may be others.
        none: Parts = frozenset()
        still = {table: self._read.get(table, none) & seen.get(table, none) for table in changed}
        read = {table: found for table, found in still.items() if found}
        # Of another tier that shares one of the tables not all would be asked.
        watch = replace(self._watch, tiers={name: self._watch.tiers[name] for name in touched})
        known = {name: self._timelines[name].known() for name in touched}
        answer = self._clickhouse.rows(news(watch, changed, known, read))
        ranges: dict[str, list[Range]] = defaultdict(list)
        counts: dict[str, dict[int, int]] = defaultdict(dict)
        for name in touched:
            if watch.tiers[name].kind is TierKind.CANDLES:
                # A feed of which there is no candle any more has no row.
                counts[name] = {feed: -held for feed, held in enumerate(watch.baseline[name])}
        with_holes = set()
        for row in parse(answer, watch.feeds):
            if watch.tiers[row.tier].kind is TierKind.CANDLES:
                counts[row.tier][row.feed] += row.count
            elif (
                row.lowest == known[row.tier][row.feed].top + 1 and row.highest - row.lowest + 1 == row.count
            ):
                ranges[row.tier].append((row.feed, row.lowest, row.highest))
            else:
                with_holes.add(row.tier)
        for name in with_holes:
            ranges[name] = self._islands(name, known[name], read)
        return [
            (name, ranges[name], {feed: max(0, count) for feed, count in counts[name].items()})
            for name in touched
        ]

    def _islands(self, name: str, known: Sequence[Known], read: Mapping[str, Parts]) -> list[Range]:
        indices = {feed: i for i, feed in enumerate(self._watch.feeds)}
        answer = self._clickhouse.rows(islands(self._watch.tiers[name], self._watch.feeds, known, read))
        found = []
        for exchange, symbol, first, last in answer:
            index = indices.get(Feed(exchange, symbol))
            if index is not None:
                found.append((index, int(first), int(last)))
        return found
