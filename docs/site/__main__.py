"""``make docs``: build the site, and refuse it if anything in it leads nowhere."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from docs.site.build import REPOSITORY, build
from docs.site.check import problems


def main() -> int:
    """Build and check; exit code 1 with the reasons if either fails."""
    parser = argparse.ArgumentParser(prog="python -m docs.site", description=__doc__)
    parser.add_argument("--into", type=Path, default=REPOSITORY / "build" / "docs", help="folder to build in")
    into: Path = parser.parse_args().into
    try:
        if not build(into):
            return 1
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    html = into / "html"
    found = problems(html)
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    if found:
        sys.stderr.write(f"{len(found)} links or resources lead nowhere\n")
        return 1
    sys.stdout.write(f"The site is built: {html / 'index.html'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
