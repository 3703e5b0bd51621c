"""`python -m realtime.drive_report TRACKS --events EVENTS --out PAGE`: the page of a drive that was recorded."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from realtime.drive_report.drive import read_drive
from realtime.drive_report.sink import write_page
from realtime.errors import FacetError
from realtime.monitor.limits import read_limits


@dataclass(frozen=True)
class Options:
    """Make the page of a drive from files that `run_live.py --mode monitor` wrote."""

    tracks: tyro.conf.Positional[Path]
    """What --tracks wrote."""
    events: Path | None = None
    """What --events wrote; without it the page has no list of events."""
    out: Path = Path("drive.html")
    """The page."""
    limit: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME=NUMBER")] = ()
    """The limits to draw, as for run_live.py."""


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    options = tyro.cli(Options, prog="python -m realtime.drive_report", args=arguments)
    try:
        limits = read_limits(options.limit)
        write_page(read_drive(options.tracks, options.events), limits, options.out)
    except FacetError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"written: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
