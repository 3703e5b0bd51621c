"""Live heads turned to another pose, with their surroundings: from lifted keypoints to the surface that is drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engines.lstsq import solve
from realtime.analysis.pose import PIVOT, rotation_of
from realtime.effects.modelling import Model
from realtime.frame import Face, Floats
from realtime.geometry.mesh import head_mesh
from realtime.geometry.relief import relief
from realtime.geometry.topology import LANDMARKS, OUTER_EYE_CORNERS, eye_distance
from realtime.geometry.views import view_depth
from realtime.render.surface import Warp


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """A head, and how it is to turn.

    Attributes:
        face: with depth.
        rotation: (3, 3), see `rotation_of`.
    """

    face: Face
    rotation: np.ndarray


class Turner(ABC):
    """Turns heads; belongs to the thread that draws."""

    @abstractmethod
    def turn(self, turns: Sequence[Turn]) -> list[Model | None]:
        """The heads of one frame on `head_mesh`, at most 16 at once; None where keypoints determine no affine.

        Raises:
            EngineError: the GPU fails, where that does it.
        """


class HostTurner(Turner):
    """With NumPy."""

    def turn(self, turns: Sequence[Turn]) -> list[Model | None]:
        if not turns:
            return []
        solid, turned = zip(*(_aimed(turn) for turn in turns), strict=True)
        affines = solve(np.stack(solid), np.stack(turned))
        return [_turned(turn.face, affine) for turn, affine in zip(turns, affines, strict=True)]


def _aimed(turn: Turn) -> tuple[Floats, Floats]:
    """(68, 3) live landmarks with depth, and (68, 2) where they are once the head has turned."""
    assert turn.face.depth is not None
    solid = np.column_stack([turn.face.landmarks, turn.face.depth[:LANDMARKS]]).astype(np.float64)
    pivot = solid.mean(axis=0) + np.array([0, 0, PIVOT * float(eye_distance(solid))])
    turned = (solid - pivot) @ turn.rotation.T + pivot
    return solid.astype(np.float32), turned[:, :2].astype(np.float32)


def backwards(face: Face) -> float:
    """Pixels of depth of one eye distance in the direction a face looks away from, see `relief`.

    Of that direction depth is all that counts: where a turned face shows its far cheek, the jaw's keypoints lie on the
    cheek's outline, and vertices moved aside of them would take their texture from behind it.
    """
    assert face.depth is not None
    left, right = (np.append(face.points[corner], face.depth[corner]) for corner in OUTER_EYE_CORNERS)
    return float(np.linalg.norm(right - left) * rotation_of(face.pose)[2, 2])


def head_relief() -> Floats:
    """(V,) float32 `relief` at the vertices of `head_mesh`; 0 round the face."""
    face = relief()
    return np.pad(face, (0, len(head_mesh()[0].uv) - len(face)))


def _turned(face: Face, affine: Floats) -> Model | None:
    if not np.isfinite(affine).all():
        return None
    assert face.depth is not None
    mesh, anchors, follow = head_mesh()
    inner, rings = np.s_[: len(mesh.uv) - len(anchors)], np.s_[len(mesh.uv) - len(anchors) :]
    source = mesh.weights @ face.points
    vertices = np.column_stack([source, mesh.weights @ face.depth + head_relief() * np.float32(backwards(face))])
    position = source.copy()
    position[inner] = vertices[inner] @ affine[:, :3].T + affine[:, 3]
    movement = position[anchors] - source[anchors]
    position[rings] += follow[:, None] * movement
    depth = view_depth(affine, vertices)
    # what surrounds the face lies behind all of it
    depth[inner] = depth[inner] * 0.5 - 0.5
    depth[rings] = 0.9 - 0.4 * follow
    return Model(affine, Warp(mesh, np.column_stack([position, depth]), source, smooth=True))
