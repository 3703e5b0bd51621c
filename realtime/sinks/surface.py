"""Depth and normals of every frame as 16-bit PNG: `--save-depth`, `--save-normals`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.errors import DeviceLostError
from realtime.frame import Face, Frame, Result
from realtime.rgbd.surfaces import REMARKS, Origin, depth_map, normal_map
from realtime.sinks.base import Sink
from realtime.sinks.png import FileNames, made_folder, write_png

Stored = NDArray[np.uint16]


class SurfaceSink(Sink):
    """Writes one map a frame as FOLDER/000123.png, or under the frame's own name; what it comes from stands in it.

    Args:
        folder: made where missing.
        measure: gives the map of a frame as it came from the source, and what it comes from.
        title: of the file.

    Raises:
        OutputError: the folder cannot be made or written.
    """

    lossless = True
    recorder = True

    def __init__(
        self, folder: Path, measure: Callable[[Frame, tuple[Face, ...]], tuple[Stored, Origin]], title: str
    ) -> None:
        self.name = f"{title.partition(':')[0]}:{folder}"
        self._folder = made_folder(folder)
        self._measure, self._title = measure, title
        self._names = FileNames()

    def write(self, result: Result) -> None:
        frame = result.original or result.frame
        stored, origin = self._measure(frame, result.faces)
        path = self._folder / self._names(frame.name, frame.index)
        try:
            write_png(path, stored, (("title", self._title), ("source", REMARKS[origin])))
        except OSError as error:
            raise DeviceLostError(
                f"{path} could not be written ({error.strerror}): the files before it are whole; free some space or"
                " choose another folder."
            ) from error


def depth_sink(folder: Path) -> SurfaceSink:
    """Millimetres, 0 where nothing is known."""
    return SurfaceSink(folder, _depth, "depth: millimetres along the optical axis, 0 is missing")


def normals_sink(folder: Path) -> SurfaceSink:
    """RGB: (n + 1) * 32767.5 of x right, y up, z to the camera; 0, 0, 0 where nothing is known."""
    return SurfaceSink(folder, _normals, "normals: (n + 1) * 32767.5, x right, y up, z to the camera; 0 0 0 is missing")


def _depth(frame: Frame, faces: tuple[Face, ...]) -> tuple[Stored, Origin]:
    found = depth_map(frame, faces)
    return found.depth, found.origin


def _normals(frame: Frame, faces: tuple[Face, ...]) -> tuple[Stored, Origin]:
    found = normal_map(frame, faces)
    known = found.normals.any(axis=2, keepdims=True)
    return np.where(known, np.rint((found.normals + 1) * 32767.5), 0).astype(np.uint16), found.origin
