"""Where on the model's head things are: lips, brows, beard, scalp, flush; and the atlas that flattens its skin.

Everything is worked out once, on the neutral head, in its own centimetres turned to millimetres (x image right, y down,
z away), from the landmarks and the shape alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

from realtime.geometry.topology import JAW

# the atlas: angle around the head's vertical axis and height
ATLAS = (384, 352)  # texels across and down
AXIS_Z = 10.0  # mm, where the vertical axis stands
REACH = np.deg2rad(115)  # angle at the atlas's sides; what lies behind repeats its edge
TOP, BOTTOM = -150.0, 170.0  # mm

LEFT_BROW, RIGHT_BROW = np.arange(17, 22), np.arange(22, 27)
OUTER_LIP, INNER_LIP = np.arange(48, 60), np.arange(60, 68)

# the hairline: elevation of the scalp's edge (degrees over the horizontal through the head's centre) by azimuth
_AZIMUTH = np.array([0, 22, 36, 46, 55, 62, 67, 72, 78, 100, 112, 125, 150, 180], float)
_ELEVATION = np.array([29, 28, 24, 17, 7, -4, -20, -22, -2, -2, -18, -30, -38, -40], float)
_CENTRE = np.array([0.0, -45.0, 5.0])


def atlas_place(points: np.ndarray) -> np.ndarray:
    """(N, 2) place in 0..1 on the atlas of (N, 3) points on the neutral head."""
    azimuth = np.arctan2(points[:, 0], AXIS_Z - points[:, 2])
    across = 0.5 + 0.5 * np.clip(azimuth / REACH, -1, 1)
    return np.stack([across, np.clip((points[:, 1] - TOP) / (BOTTOM - TOP), 0, 1)], axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Per vertex of the neutral head, float32 (V,).

    Attributes:
        lips: 1 on the red of the lips and inside them, 0 off.
        brow: millimetres from the brows' middle lines.
        beard: 0..1, where a full beard grows.
        moustache: 0..1, its part over the upper lip.
        scalp: degrees that a vertex lies above the hairline; below it negative.
        ear: 1 on the ears.
        flush: 0..1, cheeks, nose tip and ears, where blood shows.
        lashes: 0..1, the rims of the eyelids, the upper ones most.
        eyelid: 0..1, the skin right around the eyes.
    """

    lips: np.ndarray
    brow: np.ndarray
    beard: np.ndarray
    moustache: np.ndarray
    scalp: np.ndarray
    ear: np.ndarray
    flush: np.ndarray
    lashes: np.ndarray
    eyelid: np.ndarray


def find(vertices: np.ndarray, landmarks: np.ndarray, lids: list[np.ndarray]) -> Regions:
    """The regions of (V, 3) neutral `vertices` in mm, with (68, 3) landmarks and the loops along the lids' edges."""
    x, y, z = vertices.T
    front = z < -20
    lips = np.where(front & (z < landmarks[[48, 54], 2].mean() + 25), _inside(vertices, landmarks[OUTER_LIP]), 0)
    brow = np.minimum(_from_line(vertices, landmarks[LEFT_BROW]), _from_line(vertices, landmarks[RIGHT_BROW]))
    ear = ((np.abs(x) > 73) & (y > -50) & (y < 32) & (z > -22) & (z < 36)).astype(np.float32)
    ear *= _smooth(np.abs(x), 74, 78)
    mouth_top = landmarks[[33, 50, 52], 1].mean()
    beard, moustache = _beard(vertices, landmarks, mouth_top)
    flush = (
        np.exp(-(((np.abs(x) - 42) / 18) ** 2 + ((y - 2) / 16) ** 2)) * front
        + 0.8 * np.exp(-((vertices - landmarks[30]) ** 2).sum(axis=1) / 18**2)
        + 0.7 * ear
    )
    rim = [vertices[loop] for loop in lids]
    away = np.min([cKDTree(loop).query(vertices)[0] for loop in rim], axis=0)
    middle = np.where(
        x < 0, rim[0][:, 1].mean() if rim[0][:, 0].mean() < 0 else rim[1][:, 1].mean(), rim[1][:, 1].mean()
    )
    upper = _smooth(-(y - middle), -1, 2)
    return Regions(
        _f(lips),
        _f(brow),
        _f(beard * (1 - lips)),
        _f(moustache * (1 - lips)),
        _f(_scalp(vertices)),
        _f(ear),
        _f(np.clip(flush, 0, 1)),
        _f(_smooth(-away, -2.2, -0.6) * (0.35 + 0.65 * upper)),
        _f(_smooth(-away, -14, -4)),
    )


def _beard(vertices: np.ndarray, landmarks: np.ndarray, mouth_top: float) -> tuple[np.ndarray, np.ndarray]:
    x, y, z = vertices.T
    jaw = landmarks[JAW]
    # its upper edge falls from the ear's lower front to beside the mouth
    edge = np.interp(np.abs(x), [0, 26, 40, 60, 72, 80], [mouth_top - 6, mouth_top - 3, mouth_top + 6, 6, -18, -30])
    below = _smooth(y - edge, 0, 9)
    # and it ends on the throat
    under = jaw[8, 1] + 22 - 0.25 * np.abs(x)
    above = _smooth(under - y, 0, 12)
    forward = _smooth(-z, -22, -8)
    moustache = (
        _smooth(y - (mouth_top - 8), 0, 4) * _smooth(landmarks[54, 1] + 5 - y, 0, 6) * _smooth(34 - np.abs(x), 0, 8)
    )
    return below * above * forward, moustache * (z < -60)


def _scalp(vertices: np.ndarray) -> np.ndarray:
    away = vertices - _CENTRE
    level = np.hypot(away[:, 0], away[:, 2])
    elevation = np.rad2deg(np.arctan2(-away[:, 1], level))
    azimuth = np.rad2deg(np.arctan2(np.abs(away[:, 0]), -away[:, 2]))
    return elevation - np.interp(azimuth, _AZIMUTH, _ELEVATION)


def azimuth(vertices: np.ndarray) -> np.ndarray:
    """(V,) degrees from straight ahead, 0..180, about the skull's centre."""
    away = vertices - _CENTRE
    return np.rad2deg(np.arctan2(np.abs(away[:, 0]), -away[:, 2])).astype(np.float32)


def _inside(vertices: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """1 within the outline seen from the front, 0 outside, softly over a millimetre."""
    closed = outline[:, None, :2].astype(np.float32)
    depth = [cv2.pointPolygonTest(closed, (float(px), float(py)), True) for px, py in vertices[:, :2]]
    return _smooth(np.array(depth), -1.0, 1.5)


def _from_line(vertices: np.ndarray, points: np.ndarray) -> np.ndarray:
    shares = np.linspace(0, len(points) - 1, 60)
    dense = np.stack([np.interp(shares, np.arange(len(points)), points[:, i]) for i in range(3)], axis=1)
    return cKDTree(dense).query(vertices)[0]


def _smooth(value: np.ndarray, low: float, high: float) -> np.ndarray:
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def _f(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float32)
