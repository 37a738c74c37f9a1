"""Folders in; a rehearsal that serves until standard input is closed, and a line that says where, out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.rehearsal.service import Rehearsal


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m harness.rehearsal", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="keeps buckets and the folders of jobs")
    parser.add_argument("--instances", type=int, help="jobs that run at once (default: one a core)")
    parser.add_argument(
        "--isolation", choices=("bubblewrap", "folder"), help="default: bubblewrap if it works"
    )
    parser.add_argument(
        "--hide", type=Path, action="append", default=[], help="a folder that jobs must not see"
    )
    options = parser.parse_args()
    with Rehearsal(
        options.folder, instances=options.instances, isolation=options.isolation, hide=options.hide
    ) as rehearsal:
        print(rehearsal.address.line(), flush=True)
        while sys.stdin.buffer.read(4096):
            pass


if __name__ == "__main__":
    main()
