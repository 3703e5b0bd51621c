"""Prints the publication's tables 1, 2 and 3 for the networks in the run folders, and keeps them with figures.

    python -m training tables [--runs runs] [--out docs/results]
    python -m training tables --only-first          table 1 alone, kept as table1.md

The networks come from `python -m training depthnet_variants --all` (table 1) and `depthnet_gan`, `depthnet_gan
--adversarial 0`, `aign` and `mofa_standin` (tables 2 and 3); rows whose network is not there are left out, and said to
be.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bench.machine import machine
from training import data
from training.tables import figures
from training.tables.depth_rows import measure
from training.tables.table1 import table1
from training.tables.table2 import table2
from training.tables.table3 import table3

COMMAND = "python -m training tables"
FILES = (
    "aflw2000_3d68.npz",
    "faces_300w.npz",
    "faces_muxspace.npz",
    "faces_ytf.npz",
    "ict_facekit_face.npz",
    "landmarks68_2d.npz",
)


@dataclass(frozen=True)
class Config:
    """Measure the publication's tables."""

    runs: Path = Path("runs")
    """Where the trained networks are."""
    out: Path = Path("docs/results")
    """Where the tables and figures go."""
    only_first: bool = False
    """Measure table 1 alone."""


def revision() -> str:
    """The first 12 digits of the SHA-256 over the data files that are used here, in the order of their names."""
    digest = hashlib.sha256()
    for name in FILES:
        digest.update((data.folder() / name).read_bytes())
    return digest.hexdigest()[:12]


def stamp(command: str) -> str:
    """What a table was made by, from and on."""
    return f"`{command}`; data {revision()} ({', '.join(FILES)}); {machine()}"


def train(config: Config) -> None:
    """Measure, print, write (named as every recipe's entry is)."""
    config.out.mkdir(parents=True, exist_ok=True)
    if config.only_first:
        text = "\n".join(["# The publication's Table 1", "", stamp(f"{COMMAND} --only-first"), "", table1(config.runs)])
        print(text)
        (config.out / "table1.md").write_text(text, encoding="utf-8")
        return
    measured, notes = measure(config.runs)
    parts = table1(config.runs), table2(measured), table3(measured, notes)
    text = "\n".join(["# The publication's tables", "", stamp(COMMAND), "", *parts])
    print(text)
    pictures = ["", "## Figures 2 and 3"]
    for one in measured:
        short = one.protocol.name.split(",")[0].lower()
        for number, draw in ((2, figures.heat_maps), (3, figures.depth_pictures)):
            name = f"depthnet_figure{number}_{short}.png"
            draw(one, config.out / name)
            pictures += ["", f"![Figure {number}, {one.protocol.name}]({name})"]
    (config.out / "depthnet.md").write_text("\n".join([text, *pictures, ""]), encoding="utf-8")
