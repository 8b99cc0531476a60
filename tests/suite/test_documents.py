"""What `chaosp7 run` writes of a shipped experiment, from the exit code to the page: all of it says the same."""

import html
import json
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest

from chaosp7.embedded.provision import Parts
from chaosp7.platform.process_driver import ProcessDriver
from chaosp7.run import evidence as ev
from chaosp7.suite.codes import EXIT_CODES
from tests.chaos import RESTART, environment
from tests.edited import edited, settling_long
from tests.suite.suites import command, run_suite, suite_of
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.alone


def cells(text: str) -> dict[str, list[str]]:
    """Return the rows of all Markdown tables, by their first cell."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows}


def words(page: str) -> str:
    """Return what a page shows, tags and scripts apart, in one line."""
    shown = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", shown)).split())


def test_exit_code_journal_evidence_and_all_documents_of_a_run_agree(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del parts  # only have to be there
    documents = ("--junit", "junit.xml", "--json", "all.json", "--markdown", "all.md")
    load = {"CHAOSP7_RATE_PER_S": "300", "CHAOSP7_DURATION_S": "5"}
    done = run_suite(tmp_path, str(edited(RESTART, tmp_path, settling_long)), *documents, **load)

    suite = suite_of(tmp_path)
    (run,) = suite["runs"]
    folder = tmp_path / "reports" / run["folder"]
    evidence = ev.read(folder / "evidence.json")
    # How fast it recovers depends on the machine, and whether one can tell that it was fast enough; that all
    # was accounted for doesn't.
    verdict = evidence.verdict
    assert verdict in {"passed", "deviated", "error"}, done.stderr
    journal = json.loads((folder / "journal.json").read_text())
    assert (journal["x-chaosp7"]["verdict"], run["verdict"], suite["verdict"]) == (verdict,) * 3
    assert done.returncode == suite["exit_code"] == EXIT_CODES[verdict]
    assert f"redpanda-restart: {verdict}" in done.stdout

    assert evidence.load is not None
    sent = evidence.load.messages
    assert {(tier.sent, tier.delivered) for tier in evidence.tiers} == {(sent, sent)}
    recovery_s = max(one.recovery_s or 0.0 for one in evidence.recovery)
    assert recovery_s > 0
    # A tier that never was fresh again says more than how long another one took.
    recovered = "not-recovered" not in {one.outcome for one in evidence.recovery}

    told = json.loads((tmp_path / "all.json").read_text())
    assert (told["verdict"], [one["verdict"] for one in told["runs"]]) == (verdict, [verdict])
    assert told["runs"][0]["evidence"] == msgspec.to_builtins(evidence)

    root = ET.fromstring((tmp_path / "junit.xml").read_text())  # noqa: S314 - ours
    counts = {"failure": int(verdict == "deviated"), "error": int(verdict == "error")}
    assert [root.get(name) for name in ("tests", "failures", "errors")] == ["1", *map(str, counts.values())]
    (case,) = root.iter("testcase")
    assert case.get("name") == evidence.run_id
    assert {kind: len(case.findall(kind)) for kind in counts} == counts
    sentence = case.findtext("system-out")
    assert sentence
    assert f"{sent:,}" in sentence

    lost = f"0 of {sent:,}"
    row = cells((tmp_path / "all.md").read_text())["Redpanda restart"]
    assert row[:3] == ["10s", f"{recovery_s:.2f}s" if recovered else "not recovered", lost]
    assert row[3].split()[1] == verdict

    (of_the_suite,) = tmp_path.glob("reports/*-suite/report.html")
    for path in (folder / "report.html", of_the_suite):
        page = path.read_text()
        (raw,) = re.findall(r'<script type="application/json" id="evidence">(.*?)</script>', page, re.DOTALL)
        assert json.loads(raw)["runs"][0]["evidence"] == msgspec.to_builtins(evidence)
        shown = words(page)
        for text in (verdict, lost, f"{recovery_s:.2f} s"):  # each tier's is there
            assert text in shown, (path, text)

    history = command("history")
    history.remove("run")
    subprocess.run(
        history, cwd=tmp_path, env=environment(tmp_path), capture_output=True, timeout=PATIENCE_S, check=True
    )
    index = (tmp_path / "reports" / "index.html").read_text()
    assert f"./{evidence.run_id}/report.html" in index
    took = f"{recovery_s:.2f} s" if recovered else "not recovered"
    assert all(text in words(index) for text in (verdict, took))

    monkeypatch.setenv("CHAOSP7_STATE_DIR", str(tmp_path / "state"))
    assert not ProcessDriver(name="embedded").running()
