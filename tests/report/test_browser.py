"""A real browser opens the page from disk: nothing is asked for, nothing goes wrong, everything is there."""

import json
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from benchmarks.synthetic_evidence import evidence
from chaosp7.report import read_runs
from chaosp7.report.html import html
from tests.report.test_html import HOSTILE, hostile
from tests.report.test_model import save
from tests.waiting import PATIENCE_S

#: Tells in the page itself what the browser made of it.
WITNESS = """<pre id="witness"></pre><script>
addEventListener("load", () => {
  document.querySelectorAll(".zoom").forEach((b) => b.click());
  document.getElementById("show-raw").open = true;
  setTimeout(() => {
    const seen = (query) => [...document.querySelectorAll(query)].filter((e) => e.getBoundingClientRect().height > 0);
    document.getElementById("witness").textContent = JSON.stringify({
      requests: performance.getEntriesByType("resource").length,
      sections: seen("main section").map((s) => s.id || s.className),
      canvases: seen("canvas").length,
      points: Math.max(0, ...[...document.querySelectorAll(".line")].map((l) => l.getBoundingClientRect().width)),
      raw: document.querySelector("#show-raw pre").textContent.length,
      ground: getComputedStyle(document.body).backgroundColor,
      overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      alerted: window.alerted || 0,
    });
  }, 300);
});
window.alert = () => { window.alerted = (window.alerted || 0) + 1; };
</script></body>"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.fail("these tests need a browser: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    for number in (1, 2, 3):
        save(folder / f"r{number}", evidence(number=number, lost=72 if number == 2 else 0))
    save(folder / "20260101T000000.000-cut-short", journal={"status": "interrupted"})
    path = folder / "report.html"
    path.write_text(html(read_runs([folder])).replace("</body>", WITNESS))
    return path


def chromium(browser: str, profile: Path, page: Path, *options: str) -> tuple[str, str]:
    done = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}",
            "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
            "--virtual-time-budget=5000", *options, page.as_uri(),
        ],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False, env={**os.environ, "HOME": str(profile)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def witnessed(dom: str) -> dict[str, Any]:
    match = re.search(r'<pre id="witness">(.+?)</pre>', dom, re.DOTALL)
    assert match, dom[-500:]
    return json.loads(unescape(match[1]))


@pytest.mark.parametrize(
    ("options", "ground"),
    [
        (["--window-size=1200,900"], "rgb(251, 251, 250)"),
        (["--window-size=1200,900", "--blink-settings=preferredColorScheme=0"], "rgb(20, 23, 26)"),
        (["--window-size=500,900"], "rgb(251, 251, 250)"),
    ],
    ids=["light", "dark", "narrow"],
)
def test_the_page_opens_from_disk_whole_and_silent(
    browser: str, page: Path, tmp_path: Path, options: list[str], ground: str
) -> None:
    dom, console = chromium(browser, tmp_path, page, "--dump-dom", *options)
    assert console == ""
    seen = witnessed(dom)
    assert seen["requests"] == 0
    assert seen["ground"] == ground
    assert seen["overflow"] <= 0
    assert {"suite", "environment", "raw"} <= set(seen["sections"])
    assert len([s for s in seen["sections"] if re.fullmatch(r"e\d", s)]) == 2
    assert seen["canvases"] == 4  # one timeline, as zoomable charts
    assert seen["raw"] > 10_000


def test_hostile_names_do_nothing_in_a_browser(browser: str, tmp_path: Path) -> None:
    for number, words in enumerate(HOSTILE.values()):
        save(tmp_path / "runs" / f"r{number}", hostile(words)[0])
    path = tmp_path / "report.html"
    path.write_text(html(read_runs([tmp_path / "runs"])).replace("</body>", WITNESS))
    dom, console = chromium(browser, tmp_path / "profile", path, "--dump-dom", "--window-size=500,900")
    assert console == ""
    seen = witnessed(dom)
    assert (seen["alerted"], seen["requests"]) == (0, 0)
    assert seen["overflow"] <= 0


def test_whoever_watches_would_have_seen_a_request_or_an_error(
    browser: str, page: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(page.read_text().replace("<main", '<img src="http://127.0.0.1:9/x.png"><main'))
    _, console = chromium(browser, tmp_path / "profile", bad, "--dump-dom")
    assert "Content Security Policy" in console


def test_the_page_is_printed_and_drawn(browser: str, page: Path, tmp_path: Path) -> None:
    pdf, picture = tmp_path / "page.pdf", tmp_path / "page.png"
    chromium(browser, tmp_path / "one", page, f"--print-to-pdf={pdf}")
    chromium(browser, tmp_path / "two", page, f"--screenshot={picture}", "--window-size=1200,900")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert len(re.findall(rb"/Type ?/Page\b", pdf.read_bytes())) >= 3
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 30_000
