"""The publication's depth tables (2 and 3) on the original files of AFLW2000-3D or 3DFAW, for who holds them.

    python -m training depth_protocol --aflw2000 DIR      225 faces chosen by yaw, as `python -m training tables` has it
    python -m training depth_protocol --threedfaw DIR     the 225 faces of the publication's own list

Networks come from the run folders, as for `tables`; rows whose network is not there are left out, and said to be.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from realtime.errors import InputError
from training.readers import aflw2000, threedfaw
from training.tables.depth_rows import measure
from training.tables.protocol import PER_SUBSET, SUBSETS, Protocol, choose
from training.tables.table2 import table2
from training.tables.table3 import table3


@dataclass(frozen=True)
class Config:
    """Measure depth on original data sets."""

    aflw2000: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of AFLW2000-3D's .mat files."""
    threedfaw: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of 3DFAW with valid_img, valid_lm and list_valid_test.txt."""
    runs: Path = Path("runs")
    """Where the trained networks are."""


def of_aflw2000(root: Path) -> Protocol:
    """225 of the set's faces, 75 to each side and to the front."""
    faces = aflw2000.read(root)
    return Protocol("AFLW2000-3D, original files", faces.in_pictures()[choose(faces.yaw)])


def of_threedfaw(root: Path) -> Protocol:
    """The 225 faces the publication tested on. Raises InputError where the list has not 75 of each kind."""
    faces = threedfaw.read(root, "test")
    chosen = [np.flatnonzero(faces.looks == side) for side in SUBSETS]
    counts = [len(rows) for rows in chosen]
    if set(counts) != {PER_SUBSET}:
        listed = ", ".join(f"{count} looking {side}" for count, side in zip(counts, SUBSETS, strict=True))
        raise InputError(f"{root / threedfaw.LIST} counts {listed} to the test; wanted are {PER_SUBSET} of each.")
    return Protocol("3DFAW", faces.in_pictures()[np.concatenate(chosen)])


def train(config: Config) -> None:
    """Measure and print (named as every recipe's entry is)."""
    roots = (of_aflw2000, config.aflw2000), (of_threedfaw, config.threedfaw)
    protocols = [read(root) for read, root in roots if root]
    if not protocols:
        raise InputError("Nothing to measure: give --aflw2000 DIR, --threedfaw DIR or both.")
    measured, missing = measure(config.runs, protocols)
    print(table2(measured))
    print(table3(measured, missing))
