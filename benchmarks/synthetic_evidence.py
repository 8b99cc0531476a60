"""Evidence and series of runs that never took place, as big as those of real ones: for reports."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec

from chaosp7.run import evidence as ev
from chaosp7.run import series as se

__all__ = ["evidence", "series", "write_suite"]

TIERS = ("topic", "raw", "bronze", "silver", "gold")
_S = 1_000_000_000
_START = 50 * _S


def evidence(experiment: str = "redpanda-restart", number: int = 1, lost: int = 0) -> ev.Evidence:
    """Return the evidence of a run in which silver lost some messages, deviated if it did."""
    recovery = [
        ev.RecoveryReport(
            fault=0,
            tier=tier,
            outcome="recovered",
            tolerance_ms=500 + 1000 * i,
            recovery_s=3 + i / 3 + number / 9,
            uncertainty_s=0.04,
            detection_s=0.5 + i,
            detection_uncertainty_s=0.01,
            last_stale_s=3.0,
            outage_s=2.5,
            outage_uncertainty_s=0.03,
            first_new_s=2.9,
            first_new_uncertainty_s=0.01,
            backlog_gone_s=4.4,
            backlog_gone_uncertainty_s=0.02,
            samples=2000 >> i,
            interval_ms={"median": 10.2, "max": 210.7},
        )
        for i, tier in enumerate(TIERS)
    ]
    tiers = []
    for tier in TIERS:
        gone = lost if tier in ("silver", "gold") else 0
        ranges = [
            ev.LostRange(
                feed=f"binance {symbol}/USDT",
                first=100 * i,
                last=100 * i + 1,
                sent_first_ns=_START + i * _S,
                sent_last_ns=_START + i * _S + 10**7,
                first_missing_at="silver",
            )
            for symbol in ("BTC", "ETH", "SOL")
            for i in range(1, 13)
            if tier == "silver" and lost
        ]
        tiers.append(
            ev.TierReport(
                tier=tier,
                sent=20_000,
                delivered=20_000 - gone,
                lost=gone,
                duplicated=0,
                reordered=0,
                corrupted=0,
                late=0,
                unexpected=0,
                lost_here=gone if tier == "silver" else 0,
                drained=True,
                ranges=ranges,
            )
        )
    fault = ev.FaultRecord(
        kind="restart",
        target="redpanda",
        detail={"signal": "SIGKILL"},
        injected_ns=_START + 12 * _S,
        verified_start_ns=_START + 12 * _S + 40_000_000,
        healed_ns=_START + 12 * _S + 60_000_000,
        verified_end_ns=_START + 14 * _S,
        proof=["PID 4711 ended by SIGKILL", "healthy again as PID 4712"],
    )
    return ev.Evidence(
        run_id=f"20261101T1200{number:02}.000-{experiment}"[:80],
        experiment=experiment,
        platform="embedded",
        verdict="deviated" if lost else "passed",
        reasons=[f"{lost} messages lost at silver (budget 0)"] if lost else [],
        budget=ev.Budget(recovery_s=10),
        clock=ev.ClockAnchor(monotonic_ns=_START, wall_ns=1_793_000_000 * _S + number),
        environment=ev.Environment(
            chaosp7="0.1",
            chaoslib="1.44.0",
            python="3.11.7",
            kernel="6.1",
            cpu="x86_64",
            cores=2,
            memory_bytes=24 << 30,
        ),
        phases=[
            ev.Phase(name="load", start_ns=_START, end_ns=_START + 40 * _S),
            ev.Phase(name="drain", start_ns=_START + 40 * _S, end_ns=_START + 43 * _S),
        ],
        faults=[fault],
        load=ev.LoadReport(
            messages=20_000,
            rate_per_s=500,
            seed=7,
            start_ns=_START,
            end_ns=_START + 40 * _S,
            late_ms={"p50": 0.1, "p99": 2.0, "max": 9.0},
        ),
        tiers=tiers,
        source_loss={},
        recovery=recovery,
        proxy_tax=ev.ProxyTax(
            link="silver-processor->clickhouse",
            n=250,
            direct_us=180,
            proxied_us=310,
            added_us=130,
            uncertainty_us=4,
        ),
    )


def series(seed: int = 1) -> se.Series:
    """Return the series of such a run, every bucket of them different from its neighbours."""
    chance = random.Random(seed)  # noqa: S311  # the same ones each time
    count = 1500

    def extremes(most: int) -> se.Extremes:
        low = [chance.randrange(most) for _ in range(count)]
        return se.Extremes(low=[*low], high=[value + chance.randrange(most) for value in low])

    return se.Series(
        start_ns=_START,
        first_s=0.0,
        step_s=43 / count,
        buckets=count,
        load_end_s=40.0,
        sent_per_s=[490 + chance.randrange(20) for _ in range(count)],
        tiers=[
            se.TierSeries(
                tier=tier,
                freshness_ms=extremes(4000),
                new_per_s=[chance.randrange(5000) for _ in range(count)],
                missing=extremes(3000),
                lag=extremes(2000),
                unread_s=[(12.1, 13.2)],
                looks=4000,
            )
            for tier in TIERS
        ],
        heat=[se.FeedHeat(tier="silver", feed="binance BTC/USDT", lost=[0] * 20 + [3, 2, 1] + [0] * 37)],
    )


def write_suite(folder: Path, experiments: int, repeats: int) -> None:
    """Write the runs of a suite; one of ten has lost something."""
    for number in range(experiments):
        for repeat in range(1, repeats + 1):
            run = evidence(f"experiment-{number:02}", repeat, lost=72 if (number + repeat) % 10 == 0 else 0)
            place = folder / run.run_id
            place.mkdir(parents=True)
            ev.write(run, place / "evidence.json")
            se.write(series(number * 100 + repeat), place / "series.json")
            journal = {"status": "completed", "x-chaosp7": {"verdict": run.verdict, "reasons": run.reasons}}
            (place / "journal.json").write_bytes(msgspec.json.encode(journal))
