"""A real browser opens the history from disk: nothing is asked for, nothing overflows, names do nothing."""

import math
from pathlib import Path

import msgspec
import pytest

from chaosp7.suite.history import trends
from chaosp7.suite.history_page import page
from tests.report.test_browser import browser, chromium, witnessed
from tests.suite.evidences import evidence, recovery

__all__ = ["browser"]

HOSTILE = "<img src=x onerror=alert(1)>\"'" + "unbroken" * 20

#: What the page itself doesn't allow: a script, to tell what the browser made of it.
WITNESS = """<pre id="witness"></pre><script>
addEventListener("load", () => {
  document.getElementById("witness").textContent = JSON.stringify({
    requests: performance.getEntriesByType("resource").length,
    charts: [...document.querySelectorAll("svg.trend")].map((one) => one.getBoundingClientRect().width),
    ground: getComputedStyle(document.body).backgroundColor,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    alerted: window.alerted || 0,
  });
});
window.alert = () => { window.alerted = 1; };
</script></body>"""


def history() -> str:
    runs = []
    for number, seconds in enumerate([3.0, 3.1, 2.9, 3.05, 3.0, 9.0, math.inf, 3.0]):
        gone = math.isinf(seconds)
        one = recovery("topic", None if gone else seconds, outcome="not-recovered" if gone else "recovered")
        runs.append(evidence(f"{number}", recoveries=[one], wall_ns=number))
    odd = evidence("javascript:alert(1)", experiment=HOSTILE, recoveries=[recovery(HOSTILE, 1.0)])
    odd = msgspec.structs.replace(odd, platform=HOSTILE)
    runs += [odd, msgspec.structs.replace(odd, verdict=HOSTILE)]
    return page(trends(runs), [HOSTILE])


@pytest.mark.parametrize(
    ("options", "ground", "widest"),
    [
        (["--window-size=1200,900"], "rgb(251, 251, 250)", 420),
        (["--window-size=1200,900", "--blink-settings=preferredColorScheme=0"], "rgb(20, 23, 26)", 420),
        (["--window-size=500,900"], "rgb(251, 251, 250)", 500),
    ],
    ids=["light", "dark", "narrow"],
)
def test_the_history_opens_from_disk_whole_and_silent(
    browser: str,
    tmp_path: Path,
    options: list[str],
    ground: str,
    widest: int,
) -> None:
    plain = tmp_path / "index.html"
    plain.write_text(history())
    _, console = chromium(browser, tmp_path / "profile", plain, "--dump-dom", *options)
    assert console == ""
    watched = tmp_path / "watched.html"
    allowed = history().replace("default-src 'none';", "default-src 'none'; script-src 'unsafe-inline';")
    watched.write_text(allowed.replace("</body>", WITNESS))
    dom, _ = chromium(browser, tmp_path / "profile", watched, "--dump-dom", *options)
    seen = witnessed(dom)
    assert (seen["requests"], seen["alerted"], seen["ground"]) == (0, 0, ground)
    assert seen["overflow"] <= 0
    assert len(seen["charts"]) == 2
    assert all(280 <= width <= widest for width in seen["charts"])
