"""Of commits whose snapshots have been expired nobody says that they are whole."""

from pathlib import Path

import pytest
from pyiceberg.table import Table

from chaosp7.errors import ReaderError
from chaosp7.platform.iceberg_history import AFTER, TO, broken, commits, expired
from tests.iceberg_table import SCHEMA, IcebergTable

NUMBERS = (1, 2, 3, 4)


def committed(folder: Path, *, told: bool) -> Table:
    """Return a table of four commits that tell their batches or don't."""
    table = IcebergTable(folder).table
    for number in NUMBERS:
        batches = {AFTER: str(number - 1), TO: str(number)} if told else {}
        table.append(SCHEMA.empty_table(), snapshot_properties=batches)
    return table


def expire(table: Table, number: int, *, by_pyiceberg: bool) -> None:
    (gone,) = [one for one in table.metadata.snapshots if one.sequence_number == number]
    if by_pyiceberg:
        table.maintenance.expire_snapshots().by_id(gone.snapshot_id).commit()
        return
    # Iceberg's own library leaves the parent's id where it was.
    left = [one for one in table.metadata.snapshots if one is not gone]
    table.metadata = table.metadata.model_copy(update={"snapshots": left})


@pytest.mark.parametrize("by_pyiceberg", [True, False])
@pytest.mark.parametrize("told", [True, False])
def test_a_commit_of_the_run_that_is_expired_can_not_be_judged(
    tmp_path: Path, by_pyiceberg: bool, told: bool
) -> None:
    table = committed(tmp_path, told=told)
    assert broken(table) == []
    assert not expired(table)
    expire(table, 2, by_pyiceberg=by_pyiceberg)
    assert [commit.number for commit in commits(table)] == [3, 4]
    for since in (0, 1):
        assert expired(table, since)
        with pytest.raises(ReaderError, match=f"before commit 3 .* all commits after {since} are whole"):
            broken(table, since)
    assert broken(table, 3) == []
    assert broken(table, 4) == []


@pytest.mark.parametrize("by_pyiceberg", [True, False])
def test_the_commit_before_the_run_is_needed_only_to_see_where_its_first_one_begins(
    tmp_path: Path, by_pyiceberg: bool
) -> None:
    for told in (True, False):
        folder = tmp_path / str(told)
        folder.mkdir()
        table = committed(folder, told=told)
        expire(table, 2, by_pyiceberg=by_pyiceberg)
        if told:
            with pytest.raises(ReaderError, match="before commit 3"):
                broken(table, 2)
        else:
            assert broken(table, 2) == []
