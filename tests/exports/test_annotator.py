"""Grafana is told of a fault when it happens and when it ends; whatever Grafana does, the run goes on."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaosp7.errors import ConfigError
from chaosp7.exports.annotator import Annotator, annotation_of
from chaosp7.exports.grafana import Grafana, grafana_of
from chaosp7.run.evidence import ClockAnchor, FaultRecord
from tests.exports.receiver import HANG, Answer, Receiver, grafana, receiver
from tests.waiting import PATIENCE_S, until

TOKEN = "glsa_S3cret-0f-a-service-account"  # noqa: S105
SLACK_S = 10


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    for name in list(os.environ):
        if name.startswith("CHAOSP7_") or name.lower() == "http_proxy":
            monkeypatch.delenv(name)
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.fixture
def faults() -> list[FaultRecord]:
    return []


Begin = Callable[[str], Annotator]


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch, faults: list[FaultRecord]) -> Iterator[Begin]:
    started = []

    def start(url: str) -> Annotator:
        monkeypatch.setenv("CHAOSP7_GRAFANA_URL", url)
        monkeypatch.setenv("CHAOSP7_GRAFANA_TOKEN", TOKEN)
        found = Annotator.begin(lambda: faults, "redpanda-restart", "embedded", "run-1")
        assert found is not None
        started.append(found)
        return found

    yield start
    for one in started:
        one.finish()
        one.join(PATIENCE_S)


def injected(kind: str = "restart") -> FaultRecord:
    return FaultRecord(kind=kind, target="redpanda", injected_ns=time.monotonic_ns())


def undone(fault: FaultRecord) -> None:
    fault.verified_start_ns = fault.healed_ns = fault.verified_end_ns = time.monotonic_ns()


def end(annotator: Annotator, limit_s: float = PATIENCE_S) -> None:
    annotator.finish()
    annotator.wait(limit_s)


def until_asked(there: Receiver, times: int) -> None:
    until(lambda: len(there.requests) >= times)


def test_a_fault_is_told_when_it_begins_and_its_end_when_it_ends(
    begin: Begin, faults: list[FaultRecord], said: pytest.LogCaptureFixture
) -> None:
    with receiver(grafana()) as there:
        annotator = begin(f"{there.url}/grafana/")
        before_s = time.time()
        faults.append(injected())
        until_asked(there, 1)
        posted = there.requests[0]
        assert (posted.method, posted.path) == ("POST", "/grafana/api/annotations")
        assert posted.headers["authorization"] == f"Bearer {TOKEN}"
        assert posted.headers["content-type"] == "application/json"
        assert "timeEnd" not in posted.json
        start_ms = posted.json["time"]
        assert isinstance(start_ms, int)
        assert abs(start_ms / 1000 - before_s) < SLACK_S
        assert posted.json["tags"] == [
            "chaosp7", "experiment:redpanda-restart", "platform:embedded", "fault:restart", "target:redpanda",
        ]  # fmt: skip
        assert posted.json["text"] == "restart redpanda\nrun-1"
        undone(faults[0])
        until_asked(there, 2)
        patched = there.requests[1]
        assert (patched.method, patched.path) == ("PATCH", "/grafana/api/annotations/1")
        end_ms = patched.json["timeEnd"]
        assert isinstance(end_ms, int)
        assert patched.json["time"] == start_ms < end_ms <= time.time() * 1000 + 1
        assert "seen to be undone at" in str(patched.json["text"])
        end(annotator)
    assert len(there.requests) == 2
    assert said.messages == [m for m in said.messages if "annotation" not in m.lower()]


def test_faults_that_overlap_have_an_annotation_each(begin: Begin, faults: list[FaultRecord]) -> None:
    with receiver(grafana()) as there:
        annotator = begin(there.url)
        faults += [injected("pause"), injected("latency"), FaultRecord(kind="kill", target="not ordered yet")]
        until_asked(there, 2)
        undone(faults[1])
        until_asked(there, 3)
        undone(faults[0])
        end(annotator)
    assert [(r.method, r.path.rpartition("/")[2]) for r in there.requests] == [
        ("POST", "annotations"), ("POST", "annotations"), ("PATCH", "2"), ("PATCH", "1"),
    ]  # fmt: skip


def test_a_fault_that_is_over_before_anybody_looked_is_a_region_at_once(
    begin: Begin, faults: list[FaultRecord]
) -> None:
    with receiver(grafana()) as there:
        annotator = begin(there.url)
        short = injected()
        undone(short)
        faults.append(short)
        end(annotator)
    (request,) = there.requests
    assert {"time", "timeEnd"} <= set(request.json)


def test_a_fault_that_nobody_could_undo_has_no_end(begin: Begin, faults: list[FaultRecord]) -> None:
    with receiver(grafana()) as there:
        annotator = begin(there.url)
        faults.append(injected())
        faults[0].healed_ns = time.monotonic_ns()
        faults[0].error = "can't be undone"
        end(annotator)
    assert ["timeEnd" in request.json for request in there.requests] == [False]


def test_a_grafana_that_hangs_holds_nobody_up(
    begin: Begin, faults: list[FaultRecord], said: pytest.LogCaptureFixture
) -> None:
    with receiver(lambda _: HANG) as there:
        annotator = begin(there.url)
        faults.append(injected())
        until_asked(there, 1)
        begun = time.monotonic()
        undone(faults[0])
        end(annotator, 0.5)
        assert time.monotonic() - begun < SLACK_S
        assert "missing or have no end: 1" in said.text
        annotator.join(30)  # it ends by itself: its requests have limits
        assert not annotator.is_alive()
    assert len(there.requests) == 1  # it may have been taken: twice would be worse than not at all


@pytest.mark.parametrize("status", [302, 401, 403, 404, 422, 500])
def test_one_that_refuses_is_a_single_warning_and_is_not_asked_again(
    begin: Begin, faults: list[FaultRecord], said: pytest.LogCaptureFixture, status: int
) -> None:
    with receiver(lambda _: Answer(status, headers={"Location": "/login"})) as there:
        annotator = begin(there.url)
        faults.append(injected())
        until_asked(there, 1)
        undone(faults[0])
        end(annotator)
    assert len(there.requests) == 1
    assert said.text.count(f"HTTP {status}") == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"id":"x"}', b'{"id":'])
def test_an_answer_without_an_id_is_told(
    begin: Begin, faults: list[FaultRecord], said: pytest.LogCaptureFixture, body: bytes
) -> None:
    with receiver(lambda _: Answer(body=body)) as there:
        annotator = begin(there.url)
        faults.append(injected())
        end(annotator)
    assert "without an annotation's id" in said.text


def test_one_that_comes_back_gets_what_it_has_missed(begin: Begin, faults: list[FaultRecord]) -> None:
    with receiver() as gone:
        port = gone.server.server_port
    annotator = begin(f"http://127.0.0.1:{port}")
    faults.append(injected())
    undone(faults[0])
    until(lambda: annotator._not_before_s > 0)  # it has tried
    with receiver(grafana(), port) as there:
        until_asked(there, 1)
        end(annotator)
    assert "timeEnd" in there.requests[0].json


def test_one_that_is_busy_is_asked_again(begin: Begin, faults: list[FaultRecord]) -> None:
    answers = iter([Answer(503), Answer(body=b'{"id":7}')])
    with receiver(lambda _: next(answers)) as there:
        annotator = begin(there.url)
        faults.append(injected())
        until_asked(there, 2)
        end(annotator)
    assert annotator._told[0].number == 7


def test_the_token_is_shown_nowhere_and_nothing_goes_before_it(
    begin: Begin, faults: list[FaultRecord], said: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other")
    monkeypatch.setenv("NETRC", str(netrc))
    with receiver(grafana()) as there:
        annotator = begin(there.url.replace("//", "//admin:hush@"))
        faults.append(injected())
        until_asked(there, 1)
        there.answer = lambda _: Answer(500)
        undone(faults[0])
        end(annotator)
    assert {request.headers["authorization"] for request in there.requests} == {f"Bearer {TOKEN}"}
    assert "HTTP 500" in said.text
    assert TOKEN not in said.text + repr(annotator._grafana)
    assert "hush" not in said.text
    assert not any(TOKEN.encode() in request.body for request in there.requests)


@pytest.mark.parametrize("token", ["", " ", "two words", "line\nbreak", "ünïcode", "nul\x00"])
def test_a_token_that_cannot_be_one_is_told_without_showing_it(
    token: str, monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture
) -> None:
    env = {"CHAOSP7_GRAFANA_URL": "http://127.0.0.1:9", "CHAOSP7_GRAFANA_TOKEN": token}
    with pytest.raises(ConfigError) as caught:
        grafana_of(env)
    assert not token.strip() or token not in str(caught.value)
    monkeypatch.setenv("CHAOSP7_GRAFANA_URL", "http://127.0.0.1:9")
    assert Annotator.begin(list, "x", "y", "z") is None
    assert "CHAOSP7_GRAFANA_TOKEN" in said.text


@pytest.mark.parametrize("url", ["grafana:3000", "ftp://grafana", "http://", "http://[", "http://x:99999"])
def test_an_address_that_cannot_be_one_is_told(url: str) -> None:
    with pytest.raises(ConfigError, match="CHAOSP7_GRAFANA_URL"):
        grafana_of({"CHAOSP7_GRAFANA_URL": url, "CHAOSP7_GRAFANA_TOKEN": TOKEN})


def test_without_an_address_there_is_no_thread() -> None:
    assert grafana_of({}) is None
    assert Annotator.begin(list, "x", "y", "z") is None


def test_hostile_names_arrive_as_they_are_and_tags_fit_grafanas_database() -> None:
    clock = ClockAnchor(monotonic_ns=0, wall_ns=1_800_000_000_000_000_000)
    fault = FaultRecord(kind="<script>\n\"'", target="x" * 300, injected_ns=1, verified_end_ns=2_000_001)
    wanted = annotation_of(fault, ["a", "a"], "\ud800", clock)
    assert wanted is not None
    assert (wanted.start_ms, wanted.end_ms) == (1_800_000_000_000, 1_800_000_000_003)  # it encloses the fault
    with receiver(grafana()) as there:
        assert Grafana(there.url, TOKEN).post(wanted) == 1
    tags = there.requests[0].json["tags"]
    assert isinstance(tags, list)
    assert tags[:2] == ["a", "fault:<script>\n\"'"]
    assert max(map(len, tags)) == 100
    assert "never seen to take effect" in str(there.requests[0].json["text"])
