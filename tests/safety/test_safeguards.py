"""Safeguards: which are accepted, when one counts as missed, and that only the first is told."""

import time
from pathlib import Path
from typing import Any

import pytest

from chaosp7.errors import ConfigError
from chaosp7.safety.memory import available_bytes
from chaosp7.safety.safeguards import DEFAULTS, Safeguard, Safeguards, safeguards_of
from tests.waiting import PATIENCE_S, until


def file_is_there(path: Path, **more: Any) -> dict[str, Any]:
    provider = {"type": "python", "module": "os.path", "func": "exists", "arguments": {"path": str(path)}}
    return {"name": "tripwire", "provider": provider, "tolerance": True} | more


def asked(
    given: list[dict[str, Any]], for_s: float = 0, silent_after_s: float = PATIENCE_S, *, missed: bool = True
) -> list[str]:
    """Return what is told until one is missed, and for a while from then on."""
    told: list[str] = []
    safeguards = Safeguards([Safeguard.of(one) for one in given], told.append, silent_after_s)
    safeguards.start()
    until(lambda: told or not missed)
    time.sleep(for_s)
    safeguards.stop()
    return told


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"every_s": 0}, "every_s is a number of seconds"),
        ({"every_s": True}, "every_s is a number of seconds"),
        ({"interval": 1}, "has no interval"),
        ({"tolerance": 0.5}, "tolerance must either be"),
        ({"provider": {"type": "python", "module": "os.path", "func": "no_such"}}, "no_such"),
        ({"provider": {"type": "python", "module": "os.path", "func": "exists", "arguments": {"where": 1}}}, "path"),
    ],
)  # fmt: skip
def test_what_is_no_safeguard_is_refused_by_name(
    change: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"safeguard 'tripwire'.*{problem}"):
        Safeguard.of(file_is_there(tmp_path) | change)


def test_a_safeguard_that_nothing_could_miss_is_refused(tmp_path: Path) -> None:
    given = file_is_there(tmp_path)
    del given["tolerance"]
    with pytest.raises(ConfigError, match="nothing could miss it"):
        Safeguard.of(given)


def test_two_of_one_name_are_refused_and_an_own_one_replaces_a_default(tmp_path: Path) -> None:
    one = file_is_there(tmp_path)
    with pytest.raises(ConfigError, match="same name"):
        safeguards_of([one, one], defaults=False)
    assert safeguards_of([], defaults=False) == ()
    assert safeguards_of([], defaults=True) == DEFAULTS
    own = one | {"name": DEFAULTS[0].name}
    assert [s.name for s in safeguards_of([own], defaults=True)] == [own["name"], DEFAULTS[1].name]


def test_one_that_is_met_says_nothing_and_one_that_is_missed_says_it_once(tmp_path: Path) -> None:
    wire = tmp_path / "wire"
    assert asked([file_is_there(tmp_path, every_s=0.01)], 0.3, missed=False) == []
    missed = asked([file_is_there(wire, every_s=0.01), file_is_there(wire, name="other", every_s=0.01)], 0.5)
    assert len(missed) == 1
    assert "got False, tolerance True" in missed[0]


def test_one_that_raises_is_missed() -> None:
    given = {
        "name": "n",
        "provider": {"type": "python", "module": "os", "func": "listdir", "arguments": {"path": "/no/such"}},
    }
    (missed,) = asked([given | {"tolerance": 1}])
    assert missed.startswith("safeguard n failed: ")
    assert "/no/such" in missed


def test_one_that_hangs_is_missed_and_silences_no_other(tmp_path: Path) -> None:
    provider = {"type": "process", "path": "sleep", "arguments": "3"}
    hangs = {"name": "slow", "every_s": 0.1, "provider": provider}
    assert asked([hangs | {"tolerance": 0}], silent_after_s=0.2) == [
        "safeguard slow hasn't answered for 0.2 s"
    ]
    (missed,) = asked([hangs | {"tolerance": 0}, file_is_there(tmp_path / "wire")])
    assert "tripwire" in missed


def test_memory_is_what_the_tightest_limit_leaves(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/a/b\n")
    group = tmp_path / "groups" / "a" / "b"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    free = available_bytes(tmp_path / "groups", own)
    assert free > 1 << 20
    limited = group.parent  # a limit of any group above holds too
    (limited / "memory.max").write_text("5000000\n")
    (limited / "memory.current").write_text("4500000\n")
    (limited / "memory.stat").write_text("anon 1\ninactive_file 100000\n")
    assert available_bytes(tmp_path / "groups", own) == 600_000
    (limited / "memory.current").write_text("6000000\n")
    assert available_bytes(tmp_path / "groups", own) == 0
    assert available_bytes() > 0
