"""A platform file is read strictly, and its errors name file, line and key."""

from pathlib import Path

import msgspec
import pytest

from chaosp7.account.feeds import Feed
from chaosp7.errors import ConfigError
from chaosp7.platform import loader
from chaosp7.platform.model import Part

SHIPPED = Path(__file__).parents[2] / "platforms" / "embedded.yaml"

#: (what stands in the shipped file, what is put there, the key and words of the error)
MISTAKES = {
    "unknown service in a link": ("server: exchange}", "server: exchnge}", "links.exchange->feed-handler-binance.server: unknown service 'exchnge'"),
    "unknown part": ("part: kafka", "part: kafkaa", "services.redpanda.part: Invalid enum value 'kafkaa'"),
    "wrong type": ("memory_mb: 384", "memory_mb: lots", "services.redpanda.memory_mb: Expected `int`, got `str`"),
    "unknown driver": ("driver: process", "driver: podman", "driver: Invalid enum value 'podman'"),
    "unknown key": ("part: exchange}", "part: exchange, colour: red}", "services.exchange.colour: Object contains unknown field"),
    "not YAML": ("name: embedded", "name: [1", "not YAML"),
    "key twice": ("partitions: 3", "partitions: 3\npartitions: 4", "partitions: this key stands here twice"),
    "feed without a topic": ("topics:\n  binance", "topics:\n  binanc", "topics: names exactly the exchanges of 'feeds'"),
    "handler of an unknown exchange": ("exchange: kraken}", "exchange: karken}", "services.feed-handler-kraken.exchange: a feed-handler names"),
    "second broker": ("  exchange: {part: exchange}", "  exchange: {part: exchange}\n  b: {part: kafka}", "services: there must be exactly one service with part 'kafka'"),
    "tier of an unknown service": ("    service: redpanda", "    service: redpand", "tiers.topic.service: unknown service 'redpand'"),
}  # fmt: skip


def mistaken(tmp_path: Path, correct: str, wrong: str) -> tuple[Path, int]:
    """Write the shipped file with one mistake; return its path and the line of the mistake."""
    text = SHIPPED.read_text()
    assert correct in text, "the shipped file has changed: mend this test"
    path = tmp_path / "mistaken.yaml"
    path.write_text(text.replace(correct, wrong, 1))
    return path, text[: text.index(correct)].count("\n") + 1


@pytest.mark.parametrize(("correct", "wrong", "error"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_reported_with_file_line_and_key(
    tmp_path: Path, correct: str, wrong: str, error: str
) -> None:
    path, line = mistaken(tmp_path, correct, wrong)
    with pytest.raises(ConfigError) as caught:
        loader.load(path)
    message = str(caught.value)
    assert error in message
    reported = int(message.removeprefix(f"{path}:").split(":")[0])
    # A key that belongs to a whole section is reported at the section's own line.
    assert reported in {line, line + 1} or "services:" in message


def test_the_shipped_platform_loads_by_name_and_by_path() -> None:
    by_name, by_path = loader.load("embedded"), loader.load(SHIPPED)
    assert by_name.services == by_path.services
    assert by_path.the_service(Part.KAFKA) == "redpanda"
    assert by_path.feed_list()[0] == Feed("binance", "BTC/USDT")
    assert list(by_path.tiers) == ["topic", "raw", "bronze", "silver", "gold"]


def test_the_environment_names_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(SHIPPED.read_text().replace("name: embedded", "name: mine"))
    monkeypatch.setenv(loader.PLATFORM_ENV, str(path))
    assert loader.load().name == "mine"


def test_a_missing_file_is_an_error_that_says_where_it_was_looked_for() -> None:
    with pytest.raises(ConfigError, match=r"no platform file 'nowhere': looked for .*nowhere\.yaml"):
        loader.load("nowhere")


@pytest.mark.parametrize("kind", ["service", "link", "tier"])
def test_an_unknown_name_is_answered_with_the_known_ones(kind: str) -> None:
    platform = loader.load(SHIPPED)
    with pytest.raises(ConfigError, match=f"unknown {kind} 'x' in .*; there are: "):
        getattr(platform, kind)("x")


def test_a_key_with_a_plus_adds_to_the_mapping_of_the_file_that_is_extended(tmp_path: Path) -> None:
    path = tmp_path / "more.yaml"
    more = "services+:\n  second-handler: {part: feed-handler, exchange: binance}\n"
    path.write_text(f"extends: embedded\nname: more\ndriver: process\n{more}")
    base, found = loader.load("embedded"), loader.load(path)
    assert list(found.services) == [*base.services, "second-handler"]
    assert found.links == base.links


def test_an_addition_may_change_one_setting_of_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "more.yaml"
    more = "tiers+:\n  raw+: {fresh_within_ms: 7000}\n"
    path.write_text(f"extends: embedded\nname: more\ndriver: process\n{more}")
    base, found = loader.load("embedded"), loader.load(path)
    assert list(found.tiers) == list(base.tiers)
    assert found.tiers["raw"] == msgspec.structs.replace(base.tiers["raw"], fresh_within_ms=7000)
    assert found.tiers["bronze"] == base.tiers["bronze"]


def test_a_file_may_extend_one_that_extends_another_but_none_that_extends_it(tmp_path: Path) -> None:
    for name, base in (("lower", "embedded"), ("upper", "lower")):
        more = f"services+:\n  {name}: {{part: feed-handler, exchange: binance}}\n"
        (tmp_path / f"{name}.yaml").write_text(f"extends: {base}\nname: {name}\ndriver: process\n{more}")
    found = loader.load(tmp_path / "upper.yaml")
    assert list(found.services) == [*loader.load("embedded").services, "lower", "upper"]
    assert found.name == "upper"
    lower = tmp_path / "lower.yaml"
    lower.write_text(lower.read_text().replace("extends: embedded", "extends: upper"))
    with pytest.raises(ConfigError, match=r"lower.yaml: extends: .*upper.yaml extends this file already"):
        loader.load(tmp_path / "upper.yaml")


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ("partitions+: 4", ":4: partitions+: adds to a mapping, and both must be one"),
        ("nothing+: {a: b}", ":4: nothing+: adds to a mapping, and both must be one"),
        ("tiers+:\n  raw+: 4", ":5: tiers+.raw+: adds to a mapping, and both must be one"),
        ("tiers+:\n  raw+:\n    fresh_within_ms: soon", ":6: tiers.raw.fresh_within_ms: Expected `int`"),
        ("services+:\n  minio: {part: store}", ":5: services.minio.part: Invalid enum value 'store'"),
        ("links+:\n  a->b: {client: a, server: b}", ":5: links.a->b.client: unknown service 'a'"),
    ],
)
def test_what_is_wrong_in_an_addition_is_reported_with_its_line(
    tmp_path: Path, more: str, error: str
) -> None:
    path = tmp_path / "more.yaml"
    path.write_text(f"extends: embedded\nname: more\ndriver: process\n{more}\n")
    with pytest.raises(ConfigError) as caught:
        loader.load(path)
    assert error in str(caught.value)


@pytest.mark.parametrize(
    ("correct", "wrong", "error"),
    [
        ("kind: iceberg\n", "kind: topic\n", "a tier of kind topic has no 'iceberg'"),
        ("kind: iceberg-candles", "kind: candles", "a tier of kind candles needs 'rows'"),
        ("window_s: window_s, ", "", "tiers.cold-gold.iceberg.columns: names exactly the columns of"),
        (
            "[60, 300,",
            "[60, 120,",
            "tiers.cold-gold.windows_s: are some of those of 'gold', whose copy it is",
        ),
        ("side: side, ", "", "tiers.cold.iceberg.columns: names exactly the columns of"),
    ],
)
def test_an_iceberg_tier_says_where_its_rows_are(
    tmp_path: Path, correct: str, wrong: str, error: str
) -> None:
    text = SHIPPED.with_name("embedded-cold.yaml").read_text()
    assert correct in text
    path = tmp_path / "cold.yaml"
    path.write_text(text.replace(correct, wrong))
    with pytest.raises(ConfigError) as caught:
        loader.load(path)
    assert error in str(caught.value)
