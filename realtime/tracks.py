"""The `--tracks` file: one line of JSON a source frame, schema 1 (a public interface, see docs)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from realtime.frame import Drawn, Face, Result
from realtime.json_lines import JsonLines
from realtime.monitor.record import reading_record
from realtime.sinks.base import Sink

SCHEMA = 1
_DECIMALS = 3  # a thousandth of a pixel or degree
_FACTORS = 6  # of an affine: multiplied by a thousand pixels they still give a thousandth


def track(result: Result) -> dict[str, Any]:
    """One line of the file as plain lists and numbers, all finite.

    Keys: schema, frame (index in the source), time_s, name (file of an image folder, or null), faces. Of a face: id,
    box [x, y, w, h], landmarks 68 × [x, y] of the live face, confidence 68, score, pose {yaw, pitch, roll} in degrees,
    and of what was drawn for it, or null: affine 2 × 4, depth 68, source_landmarks 68 × [x, y]. In mode `monitor` there
    is also "monitor" (see `realtime.monitor.record`).
    """
    line = {
        "schema": SCHEMA,
        "frame": result.frame.index,
        "time_s": round(result.frame.time_s, 6),
        "name": result.frame.name,
        "faces": [_face(face, result.drawn.get(face.id, Drawn())) for face in result.faces],
    }
    return line if result.reading is None else line | {"monitor": reading_record(result.reading)}


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
        self._lines = JsonLines(path, "tracks")

    def write(self, result: Result) -> None:
        """Add one line (see `JsonLines.write`)."""
        self._lines.write(track(result))

    def close(self) -> None:
        """Close the file; may be called more than once."""
        self._lines.close()
