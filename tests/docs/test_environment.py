"""The page of variables knows each that the code reads, and no other."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
VARIABLE = re.compile(r"CHAOSP7_[A-Z0-9_]+")


def test_every_variable_has_its_line_and_no_other_has() -> None:
    folders = ("chaosp7", "probes", "platforms", "experiments", "tests")
    files = [path for folder in folders for path in (REPOSITORY / folder).rglob("*")]
    read = {
        name
        for path in files
        if path.suffix in {".py", ".json", ".yaml", ".yml"} and path != Path(__file__)
        for name in VARIABLE.findall(path.read_text())
    }
    assert set(VARIABLE.findall((REPOSITORY / "docs" / "environment.md").read_text())) == read
