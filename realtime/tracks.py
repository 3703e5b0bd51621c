"""The `--tracks` file: one line of JSON a source frame, schema 1 (a public interface, see docs)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from realtime.errors import DeviceLostError, OutputError
from realtime.frame import Drawn, Face, Result
from realtime.sinks.base import Sink

SCHEMA = 1
_DECIMALS = 3  # a thousandth of a pixel or degree
_FACTORS = 6  # of an affine: multiplied by a thousand pixels they still give a thousandth


def track(result: Result) -> dict[str, Any]:
    """One line of the file as plain lists and numbers, all finite.

    Keys: schema, frame (index in the source), time_s, name (file of an image folder, or null), faces. Of a face: id,
    box [x, y, w, h], landmarks 68 × [x, y] of the live face, confidence 68, score, pose {yaw, pitch, roll} in degrees,
    and of what was drawn for it, or null: affine 2 × 4, depth 68, source_landmarks 68 × [x, y].
    """
    return {
        "schema": SCHEMA,
        "frame": result.frame.index,
        "time_s": round(result.frame.time_s, 6),
        "name": result.frame.name,
        "faces": [_face(face, result.drawn.get(face.id, Drawn())) for face in result.faces],
    }


def _face(face: Face, drawn: Drawn) -> dict[str, Any]:
    pose = face.pose
    return {
        "id": face.id,
        "box": _rounded(np.array(face.box)),
        "landmarks": _rounded(face.landmarks),
        "confidence": _rounded(face.confidence[:68]),
        "score": round(float(face.score), _DECIMALS),
        "pose": {
            name: round(float(angle), _DECIMALS)
            for name, angle in (("yaw", pose.yaw), ("pitch", pose.pitch), ("roll", pose.roll))
        },
        "affine": _rounded(drawn.affine, _FACTORS),
        "depth": _rounded(drawn.depth),
        "source_landmarks": _rounded(drawn.source_points),
    }


def _rounded(values: np.ndarray | None, decimals: int = _DECIMALS) -> list[Any] | None:
    # In float64: the shortest text of a float32 would show digits that mean nothing.
    return None if values is None else np.round(values.astype(np.float64), decimals).tolist()


class TracksWriter(Sink):
    """Writes the file line by line; after a crash every line that was finished is there.

    Raises:
        OutputError: the file cannot be opened.

    Example:
        with TracksWriter(Path("t.jsonl")) as tracks:
            tracks.write(result)
    """

    lossless = True

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise OutputError(
                f"The tracks cannot be written to {path} ({error.strerror}): choose a folder that can be written."
            ) from error

    def write(self, result: Result) -> None:
        """Add one line.

        Raises:
            DeviceLostError: the disk is full or went away; the line that did not fit is taken back.
            ValueError: a number is not finite.
        """
        line = json.dumps(track(result), allow_nan=False, separators=(",", ":")).encode() + b"\n"
        end = self._file.tell()
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._file.truncate(end)
            raise DeviceLostError(
                f"Writing the tracks to {self._path} stopped ({error.strerror}): the lines before are whole;"
                " free some space or choose another place."
            ) from error

    def close(self) -> None:
        """Close the file; may be called more than once."""
        self._file.close()
