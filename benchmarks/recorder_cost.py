"""What does the recorder cost the platform that it watches, while no fault is at work?

    .venv/bin/python benchmarks/recorder_cost.py --json reports/benchmarks/recorder_cost.json

Brings the embedded platform up once and puts a steady load on it. Windows with a recorder, in a process
of its own, and without one come in pairs, the order alternating. In each: CPU time of the recorder and
of the platform's processes, ClickHouse's own count of its queries, and how long messages took from the
source to silver. The recorder is at rest, as in a steady state; at full attention, around a fault, it costs
more. A window in which a tier was late, so that the recorder looked closely, isn't one at rest: it is
said, counted and made again. A settling time is cut off at both ends of each window.

Targets, said and not asserted: recorder and what its queries cost ClickHouse under 3 % of one core
together; the 99th percentile of the latency within 5 % with and without it.

Exit code: 0 if it could be measured, whatever was found.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import requests
from _figures import progress, write
from _latency import ARRIVAL_S, latencies_ms
from _recorder_figures import Values, evaluated
from _sigterm import end_tidily_on_sigterm
from confluent_kafka import TopicPartition

from chaosp7.account.ledger import LedgerTail, Records
from chaosp7.account.readers.topic import end_offsets
from chaosp7.embedded.state import STATE_ENV
from chaosp7.errors import MeasurementError
from chaosp7.platform.clickhouse import ClickHouse
from chaosp7.platform.driver import Driver
from chaosp7.platform.drivers import open_driver
from chaosp7.platform.loader import load
from chaosp7.platform.model import Part, Platform, TierKind
from chaosp7.recorder.candle_baseline import CandleBaseline
from chaosp7.recorder.recorder import TABLES_REST, TOPIC_REST, Recorder
from chaosp7.recorder.source import Source
from chaosp7.recovery.samples import Sample
from chaosp7.run.candles_at_rest import candles_at_rest
from chaosp7.run.load import Load

_QUERY_TIMEOUT_S = 10.0
_READY_S = 40.0
_WARM_UP_S = 5.0
_SAMPLE = re.compile(r'^(clickhouse_quer\w+_total)\{kind="(\w+)"\} (\S+)$', re.MULTILINE)


class NotAtRestError(MeasurementError):
    """A tier was late in a window: what the recorder cost there isn't its cost at rest."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a recorder has to know, in a form that goes to another process."""

    model: Platform
    ledger: Path
    starts: list[tuple[str, int, int]]
    """Topic, partition and offset where the load begins."""
    bootstrap: str
    clickhouse: tuple[str, int]
    candles: CandleBaseline


def record(watched: Watched, pipe: Connection) -> None:
    """Record until told to stop or the other end is gone; the process that is measured.

    Args:
        watched: what to record.
        pipe: says when every tier has been seen; told to stop, it answers with
            tier -> (looks, looks that failed, looks that saw something new), and whether it is still at rest.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end ends this
    starts = [TopicPartition(*start) for start in watched.starts]
    source = Source(watched.ledger)
    recorder = Recorder(watched.model, source, watched.bootstrap, starts, watched.clickhouse, watched.candles)
    recorder.start()
    try:
        deadline_s = time.monotonic() + _READY_S
        # Its first looks see all that came before it; a run's recorder is there from the beginning.
        while any(
            not any(map(_shows_something, list(timeline.samples))) for timeline in recorder.timelines.values()
        ):
            if time.monotonic() > deadline_s:
                raise MeasurementError("the recorder doesn't see every tier move")
            time.sleep(0.05)
        while not recorder.at_rest:
            if time.monotonic() > deadline_s:
                raise MeasurementError("the recorder doesn't come to rest: a tier is late again and again")
            time.sleep(0.05)
        pipe.send("ready")
        begin_ns, end_ns = pipe.recv()  # a thread that waits there costs nothing
        looks = {}
        for name, timeline in recorder.timelines.items():
            ours = [sample for sample in list(timeline.samples) if begin_ns <= sample.before_ns <= end_ns]
            failed = sum(sample.error is not None for sample in ours)
            looks[name] = (len(ours), failed, sum(map(_shows_something, ours)))
        pipe.send((looks, recorder.at_rest))
    except (EOFError, BrokenPipeError):
        pass  # the parent is gone
    finally:
        recorder.stop()
        source.close()


def _shows_something(sample: Sample) -> bool:
    return bool(sample.new) or any(count for _, count in sample.counts)


class Bench:
    """A platform under load, measured window by window.

    Args:
        driver: the platform's, up.
        watched: what the recorder watches.
        load_: the load that runs.
        tail: of its ledger.
        settle_s: cut off at both ends of a window, seconds.
    """

    def __init__(
        self,
        driver: Driver,
        watched: Watched,
        load_: Load,
        tail: LedgerTail,
        settle_s: float,
    ) -> None:
        self._watched = watched
        self._load = load_
        self._tail = tail
        self._settle_s = settle_s
        self.not_at_rest = 0
        """Windows that were made again."""
        self._metrics = f"http://{watched.clickhouse[0]}:{watched.clickhouse[1]}/metrics"
        clickhouse, broker = (watched.model.the_service(part) for part in (Part.CLICKHOUSE, Part.KAFKA))
        names = {clickhouse: "ClickHouse", broker: "broker"}
        self._processes: dict[str, list[psutil.Process]] = {}
        for name, status in driver.status().items():
            if status.pid is None:
                raise MeasurementError(f"{name} has no process")
            process = psutil.Process(status.pid)
            group = self._processes.setdefault(names.get(name, "other services"), [])
            group += [process, *process.children(recursive=True)]

    def window_at_rest(self, seconds: float, with_recorder: bool, again_max: int) -> Values:
        """Measure a window as `window` does, again as long as the recorder doesn't stay at rest in it.

        Args:
            seconds: how long it is, settling included.
            with_recorder: whether a recorder runs in it.
            again_max: how many windows may be made again, over all calls.
        """
        while True:
            try:
                return self.window(seconds, with_recorder)
            except NotAtRestError as late:
                self.not_at_rest += 1
                if self.not_at_rest > again_max:
                    raise
                progress(f"  once more: {late}")

    def window(self, seconds: float, with_recorder: bool) -> Values:
        """Measure one window.

        Args:
            seconds: how long it is, settling included.
            with_recorder: whether a recorder runs in it.

        Returns:
            What was measured, by name; its looks at each tier, too, if there was a recorder.

        Raises:
            NotAtRestError: if the recorder didn't stay at rest.
            MeasurementError: if load or recorder failed, or messages didn't arrive.
        """
        if not with_recorder:
            return self._measured(seconds, None)[0]
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=record, args=(self._watched, theirs), daemon=True)
        process.start()
        theirs.close()
        try:
            _answer(ours, _READY_S + 30)
            assert process.pid is not None
            values, span = self._measured(seconds, psutil.Process(process.pid))
            ours.send(span)
            tiers, at_rest = _answer(ours, 10)
            if not at_rest:
                raise NotAtRestError("a tier was late: the recorder looked at full attention")
            for name, (looks, failed, moved) in tiers.items():
                if failed or not moved:
                    raise MeasurementError(f"recorder, {name}: {looks} looks, {failed} failed, {moved} moved")
                values[f"looks at {name} per s"] = looks / (span[1] - span[0]) * 1e9
        finally:
            ours.close()
            process.join(10)
            if process.is_alive():
                process.kill()
                process.join()
        return values

    def _measured(self, seconds: float, recorder: psutil.Process | None) -> tuple[Values, tuple[int, int]]:
        time.sleep(self._settle_s)
        begin_ns, before = time.monotonic_ns(), self._counters(recorder)
        time.sleep(max(0.0, seconds - 2 * self._settle_s))
        end_ns, after = time.monotonic_ns(), self._counters(recorder)
        time.sleep(self._settle_s)
        self._load.checked_status()
        spent_s = (end_ns - begin_ns) / 1e9
        values = {name: (after[name] - before[name]) / spent_s for name in after}
        latencies_ms = self._latencies_ms(begin_ns, end_ns)
        for quantile in (50, 99):
            values[f"latency p{quantile}, ms"] = float(np.percentile(latencies_ms, quantile))
        values["messages"] = float(len(latencies_ms))
        return values, (begin_ns, end_ns)

    def _counters(self, recorder: psutil.Process | None) -> Values:
        """Return what only grows: a rate is the difference by seconds."""
        found = {f"CPU {name}": sum(map(_cpu, group)) for name, group in self._processes.items()}
        found["CPU recorder"] = 0.0 if recorder is None else _cpu(recorder)
        cpu = {name: 100 * seconds for name, seconds in found.items()}
        text = requests.get(self._metrics, timeout=_QUERY_TIMEOUT_S).text
        queries = {f"{name} {kind}": float(value) for name, kind, value in _SAMPLE.findall(text)}
        return {
            **cpu,
            "CPU recorder and ClickHouse": cpu["CPU recorder"] + cpu["CPU ClickHouse"],
            "reading queries, % of the time": 100 * queries["clickhouse_query_seconds_total read"],
            "reading queries per s": queries["clickhouse_queries_total read"],
            "writing queries, % of the time": 100 * queries["clickhouse_query_seconds_total write"],
            "writing queries per s": queries["clickhouse_queries_total write"],
        }

    def _latencies_ms(self, begin_ns: int, end_ns: int) -> list[float]:
        """Return how long each message that was sent in a span took to silver, milliseconds."""
        # Taken now, not from the header: the wall clock may have been slewed since the load began.
        offset_ns = time.time_ns() - time.monotonic_ns()
        sent = self._sent(begin_ns, end_ns)
        with closing(ClickHouse(*self._watched.clickhouse, timeout_s=_QUERY_TIMEOUT_S)) as clickhouse:
            return latencies_ms(clickhouse, self._tail.header.feeds, sent, offset_ns)

    def _sent(self, begin_ns: int, end_ns: int) -> Records:
        """Return the ledger's records of what was sent in a span."""
        found: list[Records] = []
        deadline_s = time.monotonic() + ARRIVAL_S
        while True:
            records = self._tail.poll()
            if records is None:
                if time.monotonic() > deadline_s:
                    raise MeasurementError("the ledger doesn't go on")
                time.sleep(0.1)
                continue
            at_ns = records["sent_ns"]
            found.append(records[(at_ns >= begin_ns) & (at_ns <= end_ns)])
            if at_ns.max() > end_ns:
                return np.concatenate(found)


def _answer(pipe: Connection, timeout_s: float) -> Any:
    try:
        if pipe.poll(timeout_s):
            return pipe.recv()
    except EOFError:
        pass
    raise MeasurementError("the recorder's process doesn't answer, or has ended")


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def under_load(model: Platform, rate_per_s: float, settle_s: float) -> Iterator[Bench]:
    """Bring a platform up, put a load on it, and take it down at the end, come what may."""
    with tempfile.TemporaryDirectory(prefix="chaosp7-benchmark-") as name:
        folder = Path(name)
        os.environ[STATE_ENV] = str(folder / "state")
        driver = open_driver(model)
        progress("Bringing the platform up")
        try:
            driver.up()
            host, _, port = driver.endpoint(model.the_service(Part.CLICKHOUSE)).rpartition(":")
            address = (host, int(port))
            with closing(ClickHouse(*address, timeout_s=_QUERY_TIMEOUT_S)) as clickhouse:
                candles = candles_at_rest(model, driver.bootstrap, clickhouse)
            ends = end_offsets(driver.bootstrap, list(model.topics.values()))
            starts = [(end.topic, end.partition, end.offset) for end in ends]
            ledger = driver.ledger("recorder-cost", folder)
            load_ = Load(f"http://{driver.endpoint(model.the_service(Part.EXCHANGE))}", rate_per_s, seed=7)
            load_.start("recorder-cost", ledger)
            watched = Watched(model, ledger, starts, driver.bootstrap, address, candles)
            with LedgerTail(ledger) as tail:
                time.sleep(_WARM_UP_S)
                yield Bench(driver, watched, load_, tail, settle_s)
            load_.abort()
        finally:
            progress("Taking the platform down")
            driver.down()


def _model(tables_within_s: float | None, only: str | None) -> Platform:
    """Return the embedded platform; if told, with fewer tiers, or another tolerance of ClickHouse tiers."""
    model = load("embedded")
    names = list(model.tiers) if only is None else only.split(",")
    if unknown := set(names) - set(model.tiers):
        raise SystemExit(f"no tier of the platform: {', '.join(sorted(unknown))}")
    tiers = {name: tier for name, tier in model.tiers.items() if name in names}
    if tables_within_s is not None:
        within_ms = round(1000 * tables_within_s)
        for name, tier in tiers.items():
            if tier.kind is not TierKind.TOPIC:
                tiers[name] = msgspec.structs.replace(tier, fresh_within_ms=within_ms)
    return msgspec.structs.replace(model, tiers=tiers)


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=500.0, help="messages per second (%(default)g)")
    parser.add_argument("--windows", type=int, default=6, help="of each kind, at least 2 (%(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each window (%(default)g)")
    parser.add_argument(
        "--settle", type=float, default=1.0, help="seconds cut off at both ends (%(default)g)"
    )
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument(
        "--tables-within", type=float, metavar="S", help="tolerance of all ClickHouse tiers, seconds"
    )
    parser.add_argument(
        "--tiers", metavar="A,B", help="watch these alone: what the other ones' part of the cost is"
    )
    options = parser.parse_args()
    if options.windows < 2 or options.settle < 0 or options.seconds < 2 * options.settle + 1:
        parser.error("at least two windows of each kind, with a second left between the settling times")
    end_tidily_on_sigterm()
    raw: dict[str, list[Values]] = {"without": [], "with": []}
    model = _model(options.tables_within, options.tiers)
    try:
        with under_load(model, options.rate, options.settle) as bench:
            for number in range(options.windows):
                for kind in ("with", "without") if number % 2 else ("without", "with"):
                    values = bench.window_at_rest(options.seconds, kind == "with", 2 * options.windows)
                    raw[kind].append(values)
                    progress(
                        f"  {number + 1}: {kind}: recorder {values['CPU recorder']:.2f} %, "
                        f"ClickHouse {values['CPU ClickHouse']:.2f} % of a core, "
                        f"p50 {values['latency p50, ms']:.0f} ms, p99 {values['latency p99, ms']:.0f} ms "
                        f"of {values['messages']:.0f} messages"
                    )
    except KeyboardInterrupt:
        progress("ended by Ctrl-C; the platform was taken down")
        return 130
    shares = {
        name: TOPIC_REST if tier.kind is TierKind.TOPIC else TABLES_REST for name, tier in model.tiers.items()
    }
    wanted = {name: 1000 / (shares[name] * tier.fresh_within_ms) for name, tier in model.tiers.items()}
    figures, differences, notes = evaluated(raw["without"], raw["with"], wanted)
    notes += [
        f"{options.windows} pairs of windows of {options.seconds:g} s at {options.rate:g} messages/s.",
        f"{bench.not_at_rest} windows more, in which a tier was late, aren't counted.",
        "Tolerances: "
        + ", ".join(f"{name} {tier.fresh_within_ms / 1000:g} s" for name, tier in model.tiers.items()),
        f"Order alternating; {options.settle:g} s cut off at both ends of each window.",
        "Intervals: paired windows, Student's t.",
        "A window ends for good when all that was sent in it is in silver; its recorder runs until then.",
        "Latency: from the send time in the ledger to processed_at in silver, same host's wall clock.",
        "A query's time is by the wall, waiting for a core included: an upper bound of its CPU time.",
        "The recorder only samples: what a run's safeguards and probes ask of it isn't in it.",
    ]
    print()
    write(options.json, "Recorder's cost", figures, notes, {**raw, "differences": differences})
    print("\n".join(notes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
