"""What a real ClickHouse answers comes back as it is."""

import pytest

from chaosp7.errors import ReaderError
from chaosp7.platform.clickhouse import literal
from tests.clickhouse_process import ClickHouseProcess

ODD = ["", "it's", "a\\b", "\\n", "a\tb", "a\nb\r\n", "\b\f\0", "end\u2028of\x0bline\x1c", "₿", "\\'\\t"]


def test_rows_are_text_value_by_value_whatever_is_in_it(clickhouse_process: ClickHouseProcess) -> None:
    client = clickhouse_process.client()
    values = ", ".join(f"({number}, {literal(text)})" for number, text in enumerate(ODD))
    sql = f"SELECT text, number FROM values('number UInt8, text String', {values}) ORDER BY number"
    assert client.rows(sql) == [[text, str(number)] for number, text in enumerate(ODD)]
    assert client.rows("SELECT 1 WHERE 0") == []
    with pytest.raises(ReaderError, match="nothing_like_it"):
        client.rows("SELECT nothing_like_it")
    client.close()
