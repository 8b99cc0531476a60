"""The proxy tax: its estimate on known numbers, and of a real proxy with a known delay."""

import random
import time

import pytest

from chaosp7.platform.links import Toxic
from chaosp7.run.proxy_tax import measure_proxy_tax, tax_of
from tests.lite import Lite

pytestmark = pytest.mark.alone

LINK = "silver-processor->clickhouse"


def test_the_tax_is_the_median_of_the_pairs_differences() -> None:
    direct = [100.0, 200.0, 300.0, 400.0, 900.0]
    tax = tax_of("a->b", direct, [d + added for d, added in zip(direct, [50, 10, 60, 55, 5000], strict=True)])
    assert (tax.link, tax.n, tax.direct_us, tax.added_us) == ("a->b", 5, 300, 55)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    # Differences whose true median is 100, of a skewed distribution with a long tail.
    rng = random.Random(7)  # noqa: S311
    held = 0
    for _ in range(400):
        direct = [rng.expovariate(1 / 300) for _ in range(200)]
        differences = [100 * rng.lognormvariate(0, 1.5) for _ in direct]
        proxied = [d + added for d, added in zip(direct, differences, strict=True)]
        tax = tax_of("a->b", direct, proxied)
        ordered = sorted(differences)
        low, high = ordered[86], ordered[114]  # 100 -+ 1.96 sqrt(200) / 2, outwards
        assert tax.uncertainty_us == pytest.approx((high - low) / 2)
        held += low <= 100 <= high
    assert 0.92 <= held / 400 <= 0.99


def test_a_real_proxy_adds_something_and_a_known_delay_shows(embedded: Lite) -> None:
    links = embedded.driver.links
    begun = time.monotonic()
    plain = measure_proxy_tax(embedded.model, embedded.driver)
    assert time.monotonic() - begun < 10  # its own limit is 0.9 s
    assert plain is not None
    assert plain.link == LINK
    assert plain.n >= 30
    assert plain.added_us + plain.uncertainty_us > 0
    links.add_toxic(LINK, Toxic("latency", "downstream", {"latency": 5}))
    try:
        slowed = measure_proxy_tax(embedded.model, embedded.driver)
    finally:
        links.heal(LINK)
    assert slowed is not None
    assert slowed.added_us - plain.added_us == pytest.approx(5000, abs=2500)
    assert slowed.proxied_us - slowed.direct_us == pytest.approx(5000, abs=3000)


def test_a_link_that_does_not_answer_gives_no_figure(embedded: Lite) -> None:
    links = embedded.driver.links
    links.disable(LINK)
    try:
        assert measure_proxy_tax(embedded.model, embedded.driver) is None
    finally:
        links.heal(LINK)
