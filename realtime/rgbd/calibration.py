"""How a colour and a depth camera see, and how they stand to each other: `calibration.json` (see docs/formats.md)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.errors import InputError
from realtime.frame import Intrinsics

SCHEMA = 1
Doubles = NDArray[np.float64]
_LARGEST = 16384
_FARTHEST_MM = 2000.0  # two cameras of one sensor stand nearer than this


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera.

    Attributes:
        size: (width, height) of its pictures.
        intrinsics: in pixels of them.
        distortion: k1, k2, p1, p2, k3 of OpenCV's model.
    """

    size: tuple[int, int]
    intrinsics: Intrinsics
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A colour and a depth camera that are fixed to each other.

    Attributes:
        colour, depth: the two cameras.
        rotation, translation_mm: (3, 3) and (3,) float64; a point p of the depth camera (x right, y down, z away, in
            millimetres) is `rotation @ p + translation_mm` of the colour camera.
        depth_unit_mm: millimetres in one step of stored depth.
    """

    colour: Camera
    depth: Camera
    rotation: Doubles = field(default_factory=lambda: np.eye(3))
    translation_mm: Doubles = field(default_factory=lambda: np.zeros(3))
    depth_unit_mm: float = 1.0

    @classmethod
    def registered(cls, size: tuple[int, int], intrinsics: Intrinsics) -> Calibration:
        """Of depth that lies on the pixels of its colour picture already."""
        camera = Camera(size, intrinsics)
        return cls(camera, camera)

    @property
    def is_registered(self) -> bool:
        """Whether both cameras are one and the same."""
        still = np.array_equal(self.rotation, np.eye(3)) and not self.translation_mm.any()
        return still and self.colour == self.depth

    def as_json(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {
            "schema": SCHEMA,
            "colour": _camera_as_json(self.colour),
            "depth": _camera_as_json(self.depth),
            "depth_to_colour": {
                "rotation": self.rotation.tolist(),
                "translation_mm": self.translation_mm.tolist(),
            },
            "depth_unit_mm": self.depth_unit_mm,
        }


def read_calibration(path: Path) -> Calibration:
    """Read and check a `calibration.json`.

    Raises:
        InputError: it is missing, no JSON, or describes no camera that can be (the sentence says which value).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"There is no calibration at {path} ({error.strerror}): put calibration.json there."
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"The calibration {path} is not a text file: write it anew.") from error
    try:
        return calibration_of(json.loads(text))
    except json.JSONDecodeError as error:
        raise InputError(f"The calibration {path} is not JSON (line {error.lineno}): correct it.") from error
    except _ImpossibleError as error:
        raise InputError(f"The calibration {path} cannot be: {error}; correct it.") from error


class _ImpossibleError(ValueError):
    """What is wrong, as half a sentence."""


def calibration_of(content: Any) -> Calibration:
    """From what `as_json` gives.

    Raises:
        ValueError: what is wrong, as half a sentence.
    """
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise _ImpossibleError(f'it has no "schema": {SCHEMA}')
    between = content.get("depth_to_colour", {})
    if not isinstance(between, dict):
        raise _ImpossibleError("depth_to_colour is no object")
    rotation = _numbers(between.get("rotation", np.eye(3).tolist()), (3, 3), "depth_to_colour.rotation")
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-2 or np.linalg.det(rotation) < 0:
        raise _ImpossibleError("depth_to_colour.rotation is no rotation (its rows must be unit vectors, right-handed)")
    translation = _numbers(between.get("translation_mm", [0, 0, 0]), (3,), "depth_to_colour.translation_mm")
    if np.abs(translation).max() > _FARTHEST_MM:
        raise _ImpossibleError(f"depth_to_colour.translation_mm is more than {_FARTHEST_MM:g}")
    unit = float(_numbers(content.get("depth_unit_mm", 1.0), (), "depth_unit_mm"))
    if not 0 < unit <= 1000:
        raise _ImpossibleError(f"depth_unit_mm is {unit:g}")
    return Calibration(_camera(content, "colour"), _camera(content, "depth"), rotation, translation, unit)


def _camera(content: dict[str, Any], name: str) -> Camera:
    camera = content.get(name)
    if not isinstance(camera, dict):
        raise _ImpossibleError(f"it has no camera {name}")
    width, height, fx, fy, cx, cy = (
        float(_numbers(camera.get(key), (), f"{name}.{key}")) for key in ("width", "height", "fx", "fy", "cx", "cy")
    )
    for key, side, focal, centre in (("width", width, fx, cx), ("height", height, fy, cy)):
        if side != round(side) or not 1 <= side <= _LARGEST:
            raise _ImpossibleError(f"{name}.{key} is {side:g}")
        # 175 to 1 degree wide, its middle not farther away than its width: anything else is a slip
        if not 0.02 * side <= focal <= 100 * side:
            raise _ImpossibleError(
                f"a focal length of {focal:g} does not go with a {name} picture {side:g} pixels long"
            )
        if not -side <= centre <= 2 * side:
            raise _ImpossibleError(f"the principal point of {name} lies at {centre:g}, far outside its picture")
    k1, k2, p1, p2, k3 = _numbers(camera.get("distortion", [0] * 5), (5,), f"{name}.distortion")
    distortion = (float(k1), float(k2), float(p1), float(p2), float(k3))
    return Camera((int(width), int(height)), Intrinsics(fx, fy, cx, cy), distortion)


def _camera_as_json(camera: Camera) -> dict[str, Any]:
    seen = camera.intrinsics
    return {
        "width": camera.size[0],
        "height": camera.size[1],
        "fx": seen.fx,
        "fy": seen.fy,
        "cx": seen.cx,
        "cy": seen.cy,
        "distortion": list(camera.distortion),
    }


def _numbers(value: Any, shape: tuple[int, ...], name: str) -> Doubles:
    try:
        numbers = np.array(value, np.float64)
    except (TypeError, ValueError):
        numbers = np.array(math.nan)
    if value is None or numbers.shape != shape or not np.isfinite(numbers).all():
        wanted = "a number" if shape == () else f"{' x '.join(map(str, shape))} numbers"
        raise _ImpossibleError(f"{name} is not {wanted}")
    return numbers
