"""The page: hostile text is shown and never run, nothing is loaded, and it stays small."""

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from benchmarks.synthetic_evidence import evidence, series, write_suite
from chaosp7.report import read_run, read_runs
from chaosp7.report.html import html
from chaosp7.report.junit import junit
from chaosp7.report.markdown import markdown
from chaosp7.run import evidence as ev
from chaosp7.run import series as se
from tests.report.test_model import save

HOSTILE = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "quotes": '"\'><b onclick="alert(3)">` ${alert(4)} {{ 7*7 }} {% raw %}',
    "end of script": "</script><!--<script>]]>",
    "very long": "x" * 2_000,
    "right to left": "\u202e\u05e2\u05d1\u05e8\u05d9\u05ea\u2066 \u2028\u2029",
    "control": "a\x00b\x1b[31m\r\n|c|",
    "empty": "",
}


class Document(HTMLParser):
    """The elements of a page, and whether they nest."""

    VOID = ("meta", "link", "br", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)


def hostile(words: str) -> tuple[ev.Evidence, se.Series]:
    run = evidence(lost=72)
    replace = msgspec.structs.replace
    tiers = [
        replace(t, tier=words + t.tier, note=words, ranges=[replace(r, feed=words, first_missing_at=words + t.tier) for r in t.ranges])
        for t in run.tiers
    ]  # fmt: skip
    fault = replace(
        run.faults[0], kind=words, target=words, detail={words: words}, proof=[words], error=words
    )
    given = replace(
        run, run_id=words, experiment=words, platform=words, reasons=[words], tiers=tiers, faults=[fault],
        recovery=[replace(r, tier=words + r.tier) for r in run.recovery],
        environment=replace(run.environment, kernel=words, cpu=words), source_loss={words: 3},
    )  # fmt: skip
    drawn = series()
    drawn = replace(
        drawn,
        tiers=[replace(t, tier=words + t.tier) for t in drawn.tiers],
        heat=[replace(h, tier=words + h.tier, feed=words) for h in drawn.heat],
    )
    return given, drawn


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_shown_and_never_markup(tmp_path: Path, words: str) -> None:
    given, drawn = hostile(words)
    folder = save(tmp_path / "r", given, with_series=False)
    se.write(drawn, folder / "series.json")
    run = read_run(folder)
    tame = read_run(save(tmp_path / "tame", evidence(lost=72)))
    text = html([run])
    document, other = Document(text), Document(html([tame]))
    count = [
        sum(tag == name for tag, _ in document.tags) for name in ("script", "img", "b", "style", "iframe")
    ]
    assert count == [
        sum(tag == name for tag, _ in other.tags) for name in ("script", "img", "b", "style", "iframe")
    ]
    assert not [name for _, attrs in document.tags for name in attrs if name.startswith("on")]
    # What is embedded is what was given, to the letter.
    (raw,) = [s for s in document.scripts if s.startswith('{"schema_version"')]
    assert msgspec.convert(json.loads(raw)["runs"][0]["evidence"], ev.Evidence) == given
    assert "<" not in raw
    for rendered in (markdown([run]), junit([run])):
        assert "<script>" not in rendered
        assert "<img" not in rendered


def test_nothing_is_loaded_from_anywhere(tmp_path: Path) -> None:
    text = html([read_run(save(tmp_path / "r", evidence()))])
    document = Document(text)
    loading = {"src", "srcset", "data", "action", "poster", "xlink:href"}
    assert not [(tag, attrs) for tag, attrs in document.tags if loading & attrs.keys()]
    links = [attrs["href"] or "" for tag, attrs in document.tags if "href" in attrs]
    assert all(link.startswith(("#", "data:,")) for link in links)
    styles = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert not re.search(r"url\(|@import|@font-face", "".join(styles))
    (policy,) = [a["content"] for tag, a in document.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
    )


def test_every_link_within_the_page_leads_somewhere_and_ids_are_unique(tmp_path: Path) -> None:
    for number in (1, 2):
        save(tmp_path / f"r{number}", evidence(f"e{number}", number, lost=72))
    document = Document(html(read_runs([tmp_path])))
    ids = [attrs["id"] for _, attrs in document.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert all(a["href"][1:] in ids for _, a in document.tags if (a.get("href") or "").startswith("#"))
    named = [part for _, a in document.tags for part in (a.get("aria-labelledby") or "").split()]
    assert set(named) <= set(ids)


def test_a_suite_of_a_hundred_runs_stays_small_and_is_rendered_soon(tmp_path: Path) -> None:
    write_suite(tmp_path, experiments=20, repeats=5)
    begun_s = time.monotonic()
    text = html(read_runs([tmp_path]))
    # benchmarks/report.py has the exact figures; this one bears a busy machine.
    assert time.monotonic() - begun_s < 30
    assert len(text.encode()) < 1_500_000
    assert (
        sum(tag == "section" and attrs.get("class") == "experiment" for tag, attrs in Document(text).tags)
        == 20
    )


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        digits = colour.lstrip("#")
        digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_and_lines_stand_out_from_their_ground_in_both_themes(tmp_path: Path) -> None:
    text = html([read_run(save(tmp_path / "r", evidence()))])
    themes = re.findall(r":root(?:\[data-theme=\"dark\"\])? \{(.*?)\}", text.split("<style>")[1], re.DOTALL)
    palettes = [dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in themes]
    palettes = [p for p in palettes if "ground" in p]
    assert len(palettes) >= 2
    for colours in palettes:
        for ground in ("ground", "card"):
            for ink in ("ink", "soft", "good", "bad", "link"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
            for line in (f"t{i}" for i in range(8)):
                assert contrast(colours[line], colours[ground]) >= 3, (line, ground)
        for mood in ("good", "bad", "warn"):
            assert contrast(colours[mood], colours[f"{mood}-ground"]) >= 4.5, mood
