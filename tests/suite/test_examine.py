"""What is wrong with an experiment is told in one line, before anything is touched."""

from pathlib import Path
from typing import Any

import pytest

from chaosp7.errors import ConfigError
from chaosp7.run.preflight import check_numbers, check_tolerances
from chaosp7.suite.examine import examine
from tests.edited import Change, edited

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def changed(folder: Path, change: Change, name: str = "redpanda-restart") -> Path:
    return edited(EXPERIMENTS / f"{name}.json", folder, change)


def control(name: str, value: object) -> Change:
    return lambda content: content["controls"][0]["provider"]["arguments"].update({name: value})


def action(name: str, value: object) -> Change:
    return lambda content: content["method"][0]["provider"]["arguments"].update({name: value})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (control("settle_s", "long"), "settle_s .* takes a number, not 'long'"),
        (control("settle_s", -1), "settle_s .* must be 0 or more, not -1"),
        (control("rate_per_s", 0), "rate_per_s .* must be more than 0, not 0"),
        (control("seed", 1.5), "seed .* takes a whole number, not 1.5"),
        (control("duration_s", None), "duration_s .* takes a number, not None"),
        (control("drain_deadline_s", True), "drain_deadline_s .* takes a number, not True"),
        (control("drain_deadline_s", float("inf")), "drain_deadline_s .* takes a number, not inf"),
        (control("budget", {"recovery_s": -1}), "budget .* recovery_s is -1.0, less than 0"),
        (control("budget", {"lost": -1}), "budget .* lost is -1, less than 0"),
        (action("down_s", "x"), "down_s takes a number, not 'x'"),
        (action("down_s", -1), "down_s can't be less than 0, and is -1"),
        (action("healthy_within_s", False), "healthy_within_s takes a number, not False"),
    ],
)
def test_an_argument_that_can_not_be_is_refused(tmp_path: Path, change: Change, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        examine(changed(tmp_path, change))


def test_a_number_may_be_written_as_text_where_the_configuration_is_text(tmp_path: Path) -> None:
    assert examine(changed(tmp_path, control("settle_s", "7.5"))).plan.settle_s == 7.5


def test_only_a_clock_may_be_turned_back() -> None:
    def method(**arguments: float) -> dict[str, Any]:
        provider = {"module": "chaosp7.actions.clock_skew", "arguments": arguments}
        return {"method": [{"name": "skew", "provider": provider}]}

    check_numbers(method(skew_s=-60))
    with pytest.raises(ConfigError, match="'skew': duration_s can't be less than 0"):
        check_numbers(method(skew_s=60, duration_s=-60))


@pytest.mark.parametrize("section", ["method", "rollbacks"])
def test_a_tolerance_that_nobody_looks_at_is_refused(section: str) -> None:
    provider = {"type": "python", "module": "probes.sequence", "func": "lost_messages"}
    probe = {"type": "probe", "name": "lost", "provider": provider}
    check_tolerances({section: [probe]})
    with pytest.raises(ConfigError, match=f"'lost': nobody looks at a tolerance in the {section}"):
        check_tolerances({section: [probe | {"tolerance": 0}]})
    check_tolerances({"steady-state-hypothesis": {"probes": [probe | {"tolerance": 0}]}})
    # Somebody else's: Chaos Toolkit's own way of doing it.
    provider["module"] = "elsewhere.probes"
    check_tolerances({section: [probe | {"tolerance": 0}]})


def test_a_variable_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAOSP7_RATE_PER_S", "abc")
    with pytest.raises(ConfigError, match=r"CHAOSP7_RATE_PER_S, which the experiment reads: .*abc"):
        examine(EXPERIMENTS / "redpanda-restart.json")


def test_a_file_that_holds_no_mapping_is_no_experiment(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text("hello\n")
    with pytest.raises(ConfigError, match=r"experiment\.yaml: an experiment is a mapping"):
        examine(path)
