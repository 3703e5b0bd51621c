"""The kernels' sources, and the constants they are compiled with."""

from __future__ import annotations

from pathlib import Path

from engines.kernels import CudaSource
from engines.lstsq.kernel import LSTSQ
from realtime.analysis.landmarks import LIGHT, MOST_GAIN
from realtime.analysis.one_euro import Strength
from realtime.analysis.pose import PIVOT
from realtime.geometry.box import BOX_SCALE
from realtime.geometry.topology import KEYPOINTS, LANDMARKS, LEFT_EYE, OUTER_EYE_CORNERS, RIGHT_EYE

# of model.cu
THREADS = 256
MOST_VERTICES = 512  # of a face
MOST_HEAD_VERTICES = 768
FAN = 10  # triangles round a vertex, at most

_STRENGTH = Strength()
_beside = Path(__file__).with_name

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
    },
)

# all there is to compile
SOURCES = (LSTSQ, FRAME, FACES, PICTURE, MODEL)
