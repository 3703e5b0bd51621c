"""`python -m bench NAME [options]`: every other file here is a measurement with `Options` and `run(options)`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import tyro

from realtime.errors import FacetError


def names() -> list[str]:
    """The measurements, by file."""
    files = Path(__file__).parent.glob("[!_]*.py")
    return sorted(file.stem for file in files if "class Options" in file.read_text(encoding="utf-8"))


def main(arguments: list[str]) -> int:
    """Run one measurement; returns the exit code."""
    if not arguments or arguments[0] not in names():
        print(f"usage: python -m bench {{{','.join(names())}}} [--help] [--json] [options]", file=sys.stderr)
        return 2
    measurement = importlib.import_module(f"bench.{arguments[0]}")
    options = tyro.cli(measurement.Options, prog=f"python -m bench {arguments[0]}", args=arguments[1:])
    try:
        measurement.run(options)
    except FacetError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
