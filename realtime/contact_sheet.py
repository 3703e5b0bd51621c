"""A clip at a glance: a grid of its frames in one picture."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from realtime.errors import OutputError
from realtime.frame import Pixels
from realtime.sinks.png import write_png
from realtime.sources.video import VideoFile

COLUMNS, ROWS = 4, 3
_CELL_WIDTH = 480
_GAP = 6


def write_contact_sheet(clip: Path, sheet: Path, metadata: Iterable[tuple[str, str]] = ()) -> None:
    """Put evenly spaced frames of `clip` into the PNG file `sheet`, which carries `metadata`.

    Raises:
        InputError: the clip cannot be read.
        OutputError: the sheet cannot be written.
    """
    with VideoFile(str(clip)) as video:
        pictures = spaced((frame.pixels for frame in video), COLUMNS * ROWS)
    try:
        write_png(sheet, grid([_small(picture) for picture in pictures]), metadata)
    except OSError as error:
        raise OutputError(
            f"The contact sheet {sheet} cannot be written ({error.strerror}): choose a folder that can be written."
        ) from error


def spaced(pictures: Iterable[Pixels], count: int) -> list[Pixels]:
    """At most `count` evenly spaced ones of ever so many pictures, the first among them; few are held at a time."""
    kept: list[Pixels] = []
    step = 1
    for index, picture in enumerate(pictures):
        if index % step == 0:
            kept.append(picture)
        if len(kept) > 4 * count:
            kept, step = kept[::2], 2 * step
    places = np.linspace(0, len(kept) - 1, num=min(len(kept), count)).round().astype(int)
    return [kept[place] for place in places]


def grid(pictures: list[Pixels], columns: int = COLUMNS) -> Pixels:
    """(H, W, 3) pictures of one size, at least one, beside and below one another with white gaps."""
    height, width = pictures[0].shape[:2]
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), 255, np.uint8)
    for place, picture in enumerate(pictures):
        row, column = divmod(place, columns)
        y, x = _GAP + row * (height + _GAP), _GAP + column * (width + _GAP)
        sheet[y : y + height, x : x + width] = picture
    return sheet


def _small(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    size = _CELL_WIDTH, max(1, round(height * _CELL_WIDTH / width))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
