"""The publication's depth protocol (Moniz et al. 2018, section 3.2): 225 faces, every one onto every other.

75 faces look to the image left, 75 to the front, 75 to the image right: 225 · 224 = 50,400 ordered pairs, 5,550 from a
subset to itself and 5,625 from one subset to another. Measured are 66 points: the 68 without the inner mouth corners.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.errors import InputError
from realtime.geometry.box import landmark_box
from realtime.geometry.topology import LANDMARKS, OUTER_EYE_CORNERS
from training import data
from training.ict import IctFaces, ViewRanges, random_views, seen

SUBSETS = ("left", "front", "right")
PER_SUBSET = 75
# degrees of yaw: up to the first a face looks to the front, up to the second to a side; beyond are failed fits
FRONT, SIDE = 15.0, 90.0

CHIN = 8
ICT_SEED = 123_456_789  # identities that training's seeds do not draw
ICT_FACES = 600  # to choose from
AFLW_PICTURE = 450  # pixels
ICT_PICTURE = 1.8  # box sides: rendered faces fill as much of their picture as AFLW2000-3D's do


@dataclass(frozen=True, slots=True, eq=False)
class Protocol:
    """Faces with known depth, subset after subset, as many of each.

    Attributes:
        name: of the set.
        points: (N, 68, 3) float64, x, y and depth, divided by the picture's side; smaller depth = nearer. N is 225.
    """

    name: str
    points: NDArray[np.float64]

    def pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(P,) source and (P,) target: all P = N (N - 1) = 50,400 ordered pairs of different faces, by source."""
        source, target = np.divmod(np.arange(len(self.points) ** 2), len(self.points))
        return source[source != target], target[source != target]

    def subset(self, faces: NDArray[np.intp]) -> NDArray[np.intp]:
        """Which of SUBSETS those faces belong to."""
        return faces * len(SUBSETS) // len(self.points)

    def in_picture(self, depth: NDArray[np.floating], faces: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """(B, 68) depths in box units of those faces (None: all, in order) in units of the picture."""
        side = landmark_box(self.points)[1]
        return np.asarray(depth * (side if faces is None else side[faces])[:, None], np.float64)


def choose(yaw: NDArray[np.floating]) -> NDArray[np.intp]:
    """(225,) face numbers: 75 of each subset, evenly through the set.

    Args:
        yaw: (N,) degrees, > 0 to the image right, NaN: leave out.

    Raises:
        InputError: the set has too few faces of a subset.
    """
    chosen = []
    for name, side in zip(SUBSETS, (-1, 0, 1), strict=True):
        turned = np.abs(yaw) <= FRONT if side == 0 else (side * yaw > FRONT) & (side * yaw <= SIDE)
        faces = np.flatnonzero(turned)
        if len(faces) < PER_SUBSET:
            raise InputError(f"The depth tables need {PER_SUBSET} faces looking {name}: this set has {len(faces)}.")
        chosen.append(faces[np.linspace(0, len(faces) - 1, PER_SUBSET).astype(int)])
    return np.concatenate(chosen)


def seen_from_front(points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(N,) whether eyes and chin of (N, 68, 2 or 3) landmarks go round as in a face that is seen from its front.

    A few heads of AFLW2000-3D are turned further than 90 degrees, whatever their label says: nothing they show is near.
    """
    left, right = OUTER_EYE_CORNERS
    across, down = points[:, right] - points[:, left], points[:, CHIN] - points[:, left]
    return np.asarray(across[:, 0] * down[:, 1] > across[:, 1] * down[:, 0])


def aflw2000() -> Protocol:
    """Photos with fitted 3D landmarks; none was trained on."""
    faces = data.aflw2000()
    yaw = np.where(seen_from_front(faces.points), faces.yaw, np.nan)
    return Protocol("AFLW2000-3D", faces.points[choose(yaw)].astype(np.float64) / AFLW_PICTURE)


def ict() -> Protocol:
    """Random faces of the ICT model: held-out identities, jaw points on the jaw line as in AFLW2000-3D."""
    rng = np.random.default_rng(ICT_SEED)
    faces = IctFaces(data.ict_face())
    shapes = faces.shapes(faces.random_identity(ICT_FACES, rng), faces.random_expression(ICT_FACES, rng))
    angles, nearness = random_views(ICT_FACES, ViewRanges(), rng)
    points = seen(shapes, angles, nearness, contour=np.zeros(ICT_FACES, bool))[:, :LANDMARKS].astype(np.float64)
    centre, side = landmark_box(points)
    points[..., :2] -= centre[:, None]
    points /= (ICT_PICTURE * side)[:, None, None]
    points[..., :2] += 0.5
    return Protocol("ICT, held-out identities", points[choose(angles[:, 0])])
