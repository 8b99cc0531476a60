"""Evidence is written whole and read back as it was."""

from pathlib import Path

import msgspec
import pytest

from chaosp7.run import evidence as ev


def test_evidence_survives_a_round_trip(tmp_path: Path) -> None:
    anchor = ev.ClockAnchor(monotonic_ns=1, wall_ns=2)
    environment = ev.Environment(
        chaosp7="0", chaoslib="1", python="3", kernel="6", cpu="c", cores=2, memory_bytes=1
    )
    evidence = ev.Evidence(
        run_id="r", experiment="e", platform="p", verdict="error", reasons=["x"], budget=ev.Budget(),
        clock=anchor, environment=environment, phases=[], faults=[], load=None, tiers=[], source_loss={},
        recovery=[],
    )  # fmt: skip
    ev.write(evidence, tmp_path / "evidence.json")
    assert ev.read(tmp_path / "evidence.json") == evidence
    (tmp_path / "evidence.json").write_text("{}")
    with pytest.raises(msgspec.ValidationError):
        ev.read(tmp_path / "evidence.json")
