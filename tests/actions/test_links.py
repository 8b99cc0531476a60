"""Faults of links: what a client sees of each, and that the link is clean again."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from chaosp7.actions._link import LinkFault, directions
from chaosp7.actions.flap import Flap
from chaosp7.actions.partition import Partition
from chaosp7.actions.refuse import Refuse
from chaosp7.errors import ConfigError, FaultError, NotVerifiedError
from chaosp7.platform.links import Links, LinkState, Toxic
from chaosp7.platform.process_id import ProcessId
from tests.actions.faulty import carried_out
from tests.lite import EXCHANGE_LINK, HANDLER, KAFKA_LINK, Lite, round_trip


def port_of(lite: Lite, link: str = EXCHANGE_LINK) -> int:
    return lite.driver.links.state(link).listen_port


def fault(lite: Lite, *toxics: Toxic, link: str = EXCHANGE_LINK, duration_s: float = 0.1) -> LinkFault:
    return LinkFault(lite, "test", link, duration_s, toxics)


def both(kind: str, **attributes: int) -> list[Toxic]:
    return [Toxic(kind, stream, attributes) for stream in directions("both")]


def assert_whole(lite: Lite, link: str = EXCHANGE_LINK) -> None:
    assert lite.driver.links.state(link).clean
    assert round_trip(port_of(lite))[1]


def test_a_blackhole_opens_connections_and_lets_nothing_pass(lite: Lite, tmp_path: Path) -> None:
    port = port_of(lite)

    def meanwhile() -> None:
        socket.create_connection(("127.0.0.1", port), 1).close()
        with pytest.raises(TimeoutError):
            round_trip(port, 0.5)

    carried_out(fault(lite, *both("timeout", timeout=0)), tmp_path, meanwhile)
    assert_whole(lite)


@pytest.mark.parametrize("direction", ["upstream", "downstream"])
def test_a_cut_in_one_direction_leaves_the_other_alone(lite: Lite, tmp_path: Path, direction: str) -> None:
    def meanwhile() -> None:
        assert [t.stream for t in lite.driver.links.state(EXCHANGE_LINK).toxics.values()] == [direction]
        # The exchange hangs up after its answer: that may be seen, the answer isn't.
        with suppress(TimeoutError):
            assert round_trip(port_of(lite), 0.5)[1] == b""

    toxics = [Toxic("timeout", stream, {"timeout": 0}) for stream in directions(direction)]
    carried_out(fault(lite, *toxics), tmp_path, meanwhile)
    assert_whole(lite)


def test_a_reset_link_hangs_up(lite: Lite, tmp_path: Path) -> None:
    def meanwhile() -> None:
        with pytest.raises(ConnectionResetError):
            round_trip(port_of(lite))

    carried_out(fault(lite, *both("reset_peer", timeout=0)), tmp_path, meanwhile)
    assert_whole(lite)


def test_latency_counts_in_each_direction(lite: Lite, tmp_path: Path) -> None:
    def meanwhile() -> None:
        assert round_trip(port_of(lite))[0] >= 0.3

    carried_out(fault(lite, *both("latency", latency=150, jitter=0)), tmp_path, meanwhile)
    assert_whole(lite)


def test_a_limit_of_data_closes_the_connection(lite: Lite, tmp_path: Path) -> None:
    def meanwhile() -> None:
        assert len(round_trip(port_of(lite))[1]) <= 5

    carried_out(fault(lite, Toxic("limit_data", "downstream", {"bytes": 5})), tmp_path, meanwhile)
    assert_whole(lite)


@pytest.mark.parametrize("toxics", [both("bandwidth", rate=1), both("slow_close", delay=100)])
def test_what_only_slows_down_still_answers(lite: Lite, tmp_path: Path, toxics: list[Toxic]) -> None:
    def meanwhile() -> None:
        assert round_trip(port_of(lite))[1]

    carried_out(fault(lite, *toxics), tmp_path, meanwhile)
    assert_whole(lite)


def test_a_refusing_link_refuses(lite: Lite, tmp_path: Path) -> None:
    def meanwhile() -> None:
        with pytest.raises(ConnectionRefusedError):
            round_trip(lite.driver.plan.links[EXCHANGE_LINK].listen_port)

    record = carried_out(Refuse(lite, EXCHANGE_LINK, 0.1), tmp_path, meanwhile)
    assert "refuses connections" in record.proof[0]
    assert_whole(lite)


def test_a_flapping_link_is_cut_and_whole_in_turns(
    lite: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = []
    for name in ("disable", "enable"):
        plain: Callable[[Links, str], LinkState] = getattr(Links, name)

        def noted(
            links: Links, link: str, name: str = name, plain: Callable[[Links, str], LinkState] = plain
        ) -> LinkState:
            turns.append(name)
            return plain(links, link)

        monkeypatch.setattr(Links, name, noted)
    begun = time.monotonic()
    carried_out(Flap(lite, EXCHANGE_LINK, cut_s=0.1, healed_s=0.2, times=3), tmp_path)
    assert time.monotonic() - begun >= 3 * 0.1 + 2 * 0.2
    assert turns == ["disable", "enable"] * 3
    assert_whole(lite)


def test_a_partition_cuts_every_link_across_and_no_other(lite: Lite, tmp_path: Path) -> None:
    parted = Partition(lite, [[HANDLER, "exchange"], ["redpanda", "feed-handler-binance"]], 0.1)

    def meanwhile() -> None:
        cut = {name for name, state in lite.driver.links.states().items() if state.toxics}
        assert cut == {KAFKA_LINK, "exchange->feed-handler-binance"}

    carried_out(parted, tmp_path, meanwhile)
    assert all(state.clean for state in lite.driver.links.states().values())


@pytest.mark.parametrize(
    ("groups", "problem"),
    [
        ([[HANDLER], ["nobody"]], "unknown service 'nobody'"),
        ([[HANDLER], [HANDLER]], "in two groups"),
        ([[HANDLER], ["feed-handler-binance"]], "nothing would be cut"),
    ],
)
def test_a_partition_that_makes_no_sense_is_refused(
    lite: Lite, groups: list[list[str]], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        Partition(lite, groups, 1)


def test_a_link_that_is_not_there_is_refused(lite: Lite) -> None:
    with pytest.raises(ConfigError, match="unknown link"):
        fault(lite, link="a->b")


def test_an_attribute_that_toxiproxy_does_not_know_is_not_verified(lite: Lite, tmp_path: Path) -> None:
    with pytest.raises(FaultError, match="asked for"):
        carried_out(fault(lite, Toxic("latency", "upstream", {"latncy": 100})), tmp_path)
    assert_whole(lite)


def test_a_toxic_that_got_lost_is_not_verified(
    lite: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Links, "add_toxic", lambda *_: None)
    with pytest.raises(NotVerifiedError, match="reads back"):
        carried_out(fault(lite, *both("timeout", timeout=0)), tmp_path)
    assert_whole(lite)


def test_a_partition_that_spares_one_link_is_not_verified(
    lite: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Links.add_toxic

    def spare(links: Links, link: str, toxic: Toxic) -> LinkState | None:
        return None if link == KAFKA_LINK else plain(links, link, toxic)

    monkeypatch.setattr(Links, "add_toxic", spare)
    with pytest.raises(NotVerifiedError, match="reads back"):
        carried_out(Partition(lite, [[HANDLER], ["redpanda", "exchange"]], 0.1), tmp_path)
    assert all(state.clean for state in lite.driver.links.states().values())


def test_a_proxy_that_still_listens_is_not_verified_as_refusing(
    lite: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Links, "disable", lambda *_: None)
    for refusing in (Refuse(lite, EXCHANGE_LINK, 0.1), Flap(lite, EXCHANGE_LINK, 0.1, 0.1, 2)):
        with pytest.raises(NotVerifiedError, match="still accepts"):
            carried_out(refusing, tmp_path)


def test_a_client_that_goes_round_the_proxy_is_not_verified(
    lite: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process, put in the client's place, holds a connection to the server's own port."""
    upstream = lite.driver.links.state(EXCHANGE_LINK).upstream_port
    status = lite.driver.service_status(HANDLER)
    me = ProcessId.of(psutil.Process().pid)

    class Me:
        process = me

    with socket.create_connection(("127.0.0.1", upstream), 2):
        monkeypatch.setattr(lite.driver, "service_status", lambda _service: Me)
        with pytest.raises(NotVerifiedError, match="past the proxy"):
            carried_out(fault(lite, *both("timeout", timeout=0)), tmp_path)
    monkeypatch.undo()
    assert lite.driver.service_status(HANDLER).pid == status.pid
    assert_whole(lite)


def test_a_link_under_another_fault_is_left_to_it(lite: Lite, tmp_path: Path) -> None:
    lite.driver.links.add_toxic(EXCHANGE_LINK, Toxic("latency", "upstream", {"latency": 1}))
    with pytest.raises(FaultError, match="isn't clean"):
        carried_out(Refuse(lite, EXCHANGE_LINK, 0.1), tmp_path)


def test_a_wedged_toxiproxy_is_started_anew_and_the_link_healed(
    lite: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = lite.driver.service_status("toxiproxy").pid
    wedged = True
    plain = Links.remove_toxic

    def hangs(links: Links, link: str, name: str) -> LinkState:
        if wedged and lite.driver.service_status("toxiproxy").pid == pid:
            raise FaultError("doesn't answer")
        return plain(links, link, name)

    monkeypatch.setattr(Links, "remove_toxic", hangs)
    carried_out(fault(lite, *both("latency", latency=1)), tmp_path)
    assert lite.driver.service_status("toxiproxy").pid != pid
    assert_whole(lite)
