"""The kernels' sources, and the constants they are compiled with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from engines.kernels import CudaSource
from engines.lstsq.kernel import LSTSQ
from realtime.analysis.landmarks import LIGHT, MOST_GAIN
from realtime.analysis.one_euro import Strength
from realtime.analysis.pose import PIVOT
from realtime.effects.relight import (
    BLUSH,
    COLOUR,
    CONTRAST,
    COVER_AXES,
    DARKEST,
    FOREIGN,
    GRID,
    LUMA,
    SKIN_LUMA,
)
from realtime.geometry.box import BOX_SCALE
from realtime.geometry.topology import KEYPOINTS, LANDMARKS, LEFT_EYE, OUTER_EYE_CORNERS, RIGHT_EYE

# of tone.cu and model.cu
THREADS = 256
MOST_VERTICES = 512  # of a face
MOST_HEAD_VERTICES = 768
FAN = 10  # triangles round a vertex, at most

_STRENGTH = Strength()
_beside = Path(__file__).with_name


def _named(name: str, values: Iterable[tuple[str, float]]) -> dict[str, str]:
    return {f"{name}_{part}": f"{round(float(value), 6)}f" for part, value in values}


# of tone.cu and model.cu
_LIGHT: dict[str, str | int] = {"GRID": GRID, **_named("LUMA", zip("RGB", LUMA, strict=True))}

FRAME = CudaSource(_beside("frame.cu"), {"LIGHT": f"{LIGHT}f", "MOST_GAIN": f"{MOST_GAIN}f"})

FACES = CudaSource(
    _beside("faces.cu"),
    {
        "KEYPOINTS": KEYPOINTS,
        "LANDMARKS": LANDMARKS,
        "LEFT_EYE": int(LEFT_EYE[0]),
        "RIGHT_EYE": int(RIGHT_EYE[0]),
        "EYE": len(LEFT_EYE),
        "BOX_SCALE": f"{BOX_SCALE}f",
        "SURE": f"{_STRENGTH.sure}f",
        "SPEED_HZ": f"{_STRENGTH.speed_hz}f",
        "MOTION_HZ": f"{_STRENGTH.motion_hz}f",
        "MOTION_GAIN": f"{_STRENGTH.motion_gain}f",
        "SHAPE_HZ": f"{_STRENGTH.shape_hz}f",
    },
)

PICTURE = CudaSource(_beside("picture.cu"), {})

MODEL = CudaSource(
    _beside("model.cu"),
    {
        "KEYPOINTS": KEYPOINTS,
        "LANDMARKS": LANDMARKS,
        "LEFT_EYE": int(LEFT_EYE[0]),
        "RIGHT_EYE": int(RIGHT_EYE[0]),
        "THREADS": THREADS,
        "LEFT_CORNER": int(OUTER_EYE_CORNERS[0]),
        "RIGHT_CORNER": int(OUTER_EYE_CORNERS[1]),
        "PIVOT": f"{PIVOT}f",
        "MOST_VERTICES": MOST_VERTICES,
        "MOST_HEAD_VERTICES": MOST_HEAD_VERTICES,
        "FAN": FAN,
        **_LIGHT,
        "DARKEST": f"{DARKEST}f",
        "BLUSH": f"{BLUSH}f",
        **_named("COLOUR", zip(("LEAST", "MOST"), COLOUR, strict=True)),
        **_named("CONTRAST", zip(("LEAST", "MOST"), CONTRAST, strict=True)),
    },
)

TONE = CudaSource(
    _beside("tone.cu"),
    {
        "KEYPOINTS": KEYPOINTS,
        "THREADS": THREADS,
        **_LIGHT,
        "SKIN_LUMA": f"{SKIN_LUMA}f",
        **_named("AXIS", zip("LAB", COVER_AXES, strict=True)),
        **_named("FOREIGN", zip(("FROM", "TO"), FOREIGN, strict=True)),
    },
)

# all there is to compile
SOURCES = (LSTSQ, FRAME, FACES, PICTURE, TONE, MODEL)
