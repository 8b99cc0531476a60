"""The checksum is ClickHouse's to the bit: these values are ClickHouse's own."""

import numpy as np
import pytest

from chaosp7.account.checksum import checksum, mix
from chaosp7.account.ledger_format import RECORD
from chaosp7.account.sent import record_checksums


@pytest.mark.parametrize(
    ("value", "hashed"),
    [
        (0, 4761183170873013810),
        (1, 10577349846663553072),
        (2, 18198135717204167749),
        (4096, 3712115752879214752),
        (2**64 - 1, 14600443904207254319),
    ],
)
def test_mixing_gives_what_clickhouse_gives(value: int, hashed: int) -> None:
    assert mix(np.array([value], dtype=np.uint64)).tolist() == [hashed]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((7, 4200000000001, 150000000, 1700000000123, 1), 2844828194581385524),
        ((2**64 - 1, -1, 0, -5, 0), 3316510839581673258),
    ],
)
def test_a_checksum_is_what_clickhouse_gives_for_the_fields_in_their_order(
    fields: tuple[int, ...], expected: int
) -> None:
    sequence, *amounts, side = fields
    columns = [np.array([amount], dtype=np.int64) for amount in amounts]
    found = checksum(np.array([sequence], dtype=np.uint64), *columns, np.array([side], dtype=np.uint8))
    assert found.tolist() == [expected]


def test_a_ledger_record_has_the_checksum_of_its_fields_and_of_no_others() -> None:
    record = np.zeros(1, dtype=RECORD)
    record["sequence"], record["price_e8"], record["quantity_e8"] = 7, 4200000000001, 150000000
    record["trade_time_ms"], record["side"] = 1700000000123, 1
    record["feed"], record["reached"], record["sent_ns"], record["quote_e8"] = 3, 1, 99, 5
    assert record_checksums(record).tolist() == [2844828194581385524]
