"""A link's server answers every request with an error, seen on the link itself, and then as before."""

from pathlib import Path

import pytest
import requests

from chaosp7.actions.http_errors import HttpErrors
from chaosp7.errors import ConfigError, FaultError, NotVerifiedError
from chaosp7.platform.links import Links
from chaosp7.safety.undo import carry_out_undo, is_undone
from chaosp7.stress.helper import helpers
from chaosp7.stress.refusal import MARK
from tests.actions.faulty import carried_out
from tests.lite import EXCHANGE_LINK, Lite, round_trip
from tests.waiting import ANSWER_S


def ask(lite: Lite, method: str = "GET", data: bytes | None = None) -> requests.Response:
    host, port = lite.driver.link_address(EXCHANGE_LINK)
    return requests.request(method, f"http://{host}:{port}/any/path", data=data, timeout=ANSWER_S)


def assert_whole(lite: Lite) -> None:
    state = lite.driver.links.state(EXCHANGE_LINK)
    plan = lite.driver.plan.links[EXCHANGE_LINK]
    assert (state.clean, state.upstream) == (True, f"{plan.upstream_host}:{plan.upstream_port}")
    round_trip(plan.listen_port)


@pytest.mark.parametrize("status", [503, 500])
def test_every_request_is_refused_while_it_lasts(lite: Lite, tmp_path: Path, status: int) -> None:
    fault = HttpErrors(lite, EXCHANGE_LINK, status, 0.1)
    seen = []

    def meanwhile() -> None:
        for method, data in (("GET", None), ("PUT", b"x" * 1_000_000), ("HEAD", None), ("DELETE", None)):
            answer = ask(lite, method, data)
            seen.append((answer.status_code, MARK in answer.headers))
        assert "SlowDown" in ask(lite).text

    record = carried_out(fault, tmp_path, meanwhile)
    assert seen == [(status, True)] * 4
    assert record.proof[0] == f"a request is answered with HTTP {status}"
    assert_whole(lite)
    assert not helpers(fault._helper.token)


def test_it_can_be_undone_by_somebody_else(lite: Lite) -> None:
    fault = HttpErrors(lite, EXCHANGE_LINK, 503, 60)
    assert all(is_undone(undo, lite.driver) for undo in fault.undo)
    fault.inject()
    assert not any(is_undone(undo, lite.driver) for undo in fault.undo)
    for undo in fault.undo:
        carry_out_undo(undo, lite.driver)
        assert is_undone(undo, lite.driver)
    fault.heal()  # once more does no harm
    assert_whole(lite)


def test_a_link_that_still_leads_to_its_server_is_not_verified(
    lite: Lite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Links.redirect
    asked = []

    def first_ignored(links: Links, link: str, upstream: str) -> object:
        asked.append(upstream)
        return None if len(asked) == 1 else plain(links, link, upstream)

    monkeypatch.setattr(Links, "redirect", first_ignored)
    with pytest.raises(NotVerifiedError, match="by somebody else"):
        carried_out(HttpErrors(lite, EXCHANGE_LINK, 503, 0.1), tmp_path)
    assert_whole(lite)


def test_a_fault_that_is_gone_before_its_end_is_said_to_be(lite: Lite, tmp_path: Path) -> None:
    fault = HttpErrors(lite, EXCHANGE_LINK, 503, 0.1)
    with pytest.raises(NotVerifiedError, match="was gone before its end"):
        carried_out(fault, tmp_path, lambda: carry_out_undo(fault.undo[0], lite.driver))
    assert_whole(lite)


def test_what_can_not_be_done_is_refused_before_anything_is_touched(lite: Lite) -> None:
    with pytest.raises(ConfigError, match="unknown link"):
        HttpErrors(lite, "a->b", 503, 1)
    with pytest.raises(FaultError, match="400 to 599"):
        HttpErrors(lite, EXCHANGE_LINK, 200, 1)
