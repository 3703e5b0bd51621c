"""Second opinions on the landmarks of a picture set, to take the noise of its labels down.

What a label says and what networks see err differently: their mean is nearer to the truth than either. Held-out photos
of faces_300w: the deployed network averaged with its mirror image is 3.5 % of the eye distance off, PFLD so averaged
3.5 %, MediaPipe's mesh mapped to the landmarks 3.6 %, the mean of the three 3.2 %. The labels of faces_muxspace and
faces_video are the mean of the last two already, so those need the first alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from rich.progress import track

import engines
from realtime.analysis.landmarks import LandmarkNet
from realtime.geometry.topology import JAW, LANDMARKS, eye_distance
from training import data
from training.data import FaceSet
from training.lean import leaning
from training.peers import Estimator, Ours, load_peers, with_mirror

FAR = 0.10  # of the eye distance: an opinion this far from the label, on average, is of something else
RIDGE = 0.03
OUTER_EYES = (33, 263)  # vertices of the mesh
HAND_MADE = ("300w", "ytf")
HALF_OPINIONS = ("muxspace", "video")  # their labels are the mean of PFLD and mesh


@dataclass(frozen=True)
class Blend:
    """How much the opinions count in a set's labels, from 0 (not) to 1 (alone), at the jaw and elsewhere."""

    inner: float
    jaw: float

    def of(self, faces: FaceSet, opinions: np.ndarray) -> FaceSet:
        """`faces` with its landmarks moved towards `opinions` (N, 68, 2), where there are any and they are near."""
        share = np.full((LANDMARKS, 1), self.inner, np.float32)
        share[JAW] = self.jaw
        labels = faces.points[:, :LANDMARKS]
        moves = opinions - labels
        near = np.linalg.norm(moves, axis=2).mean(axis=1) <= FAR * eye_distance(faces.points)  # false for NaN
        points = faces.points.copy()
        points[:, :LANDMARKS] = np.where(near[:, None, None], labels + share * moves, labels)
        return replace(faces, points=points)


# Labels made by hand carry much noise, and a network that sees few of them learns it by heart: seven parts in ten
# give way to the opinions. Pseudo-labels are opinions themselves: two parts in three stay.
BLENDS = {"300w": Blend(0.7, 0.8), "ytf": Blend(0.75, 0.75), "muxspace": Blend(0.33, 0.33), "video": Blend(0.33, 0.33)}


@dataclass(frozen=True, slots=True, eq=False)
class MeshMap:
    """Ridge regression from MediaPipe's (468, 3) mesh to the landmarks, both in axes laid through its eye corners."""

    weights: np.ndarray
    mean: np.ndarray
    offset: np.ndarray

    @classmethod
    def fitted(cls, faces: FaceSet, meshes: dict[int, np.ndarray]) -> Self:
        """On the hand-made labels of the training pictures that have a mesh."""
        rows = [row for row in faces.training() if row in meshes]
        inputs = np.array([_upright(meshes[row])[0].ravel() for row in rows])
        answers = []
        for row in rows:
            _, middle, axes = _upright(meshes[row])
            answers.append(((faces.points[row, :LANDMARKS] - middle) @ axes.T).ravel())
        targets = np.array(answers)
        mean, offset = inputs.mean(axis=0), targets.mean(axis=0)
        centred = inputs - mean
        square = centred.T @ centred + RIDGE * np.eye(centred.shape[1])
        return cls(np.linalg.solve(square, centred.T @ (targets - offset)), mean, offset)

    def __call__(self, mesh: np.ndarray) -> np.ndarray:
        """(68, 2) pixels."""
        upright, middle, axes = _upright(mesh)
        found = (upright.ravel() - self.mean) @ self.weights + self.offset
        return np.asarray(found.reshape(LANDMARKS, 2) @ np.linalg.inv(axes).T + middle)


def _upright(mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mesh in units of its eye distance with level eyes, and the place (2,) and axes (2, 2) that do that."""
    middle = mesh[:, :2].mean(axis=0)
    x, y = mesh[OUTER_EYES[1], :2] - mesh[OUTER_EYES[0], :2]
    axes = np.array([[x, y], [-y, x]]) / (x * x + y * y)
    return np.column_stack([(mesh[:, :2] - middle) @ axes.T, mesh[:, 2] / np.hypot(x, y)]), middle, axes


def opinions_of(faces: FaceSet, estimators: Sequence[Estimator], mesh_map: MeshMap | None) -> np.ndarray:
    """(N, 68, 2) float32: the mean of what the estimators see, averaged with their mirror images, and of the mesh.

    They lean to neither side (`training.lean`). NaN for pictures not trained on, or without a mesh where one counts.
    """
    meshes = data.mesh_points(faces.name) if mesh_map else {}
    opinions = np.full((len(faces), LANDMARKS, 2), np.nan, np.float32)
    for row in track(faces.training(), f"second opinions on {faces.name}"):
        if mesh_map and row not in meshes:
            continue
        picture, points = faces.picture(row), faces.points[row]
        seen = [with_mirror(each, picture, each.crop(points))[1][:LANDMARKS] for each in estimators]
        seen += [mesh_map(meshes[row])] if mesh_map else []
        opinions[row] = np.mean(seen, axis=0)
    return opinions


class SecondOpinions:
    """What the exported landmark network `teacher` and the peers of the data pack think of the training pictures.

    Args:
        teacher: the network's .onnx file.
        folder: each set's opinions, which take some minutes, are kept here.
    """

    def __init__(self, teacher: Path, folder: Path) -> None:
        self._teacher, self._folder = teacher, folder
        self._revision = hashlib.sha256(teacher.read_bytes()).hexdigest()[:12]

    @cached_property
    def mesh_map(self) -> MeshMap:
        """Fitted to the hand-made labels, straightened."""
        hand = data.faces_300w()
        return MeshMap.fitted(leaning(hand), data.mesh_points(hand.name))

    def of(self, faces: FaceSet) -> np.ndarray:
        """(N, 68, 2) float32 pixels; NaN for pictures not trained on."""
        kept = self._folder / f"opinions_{self._revision}_{faces.name}.npy"
        if not kept.is_file():
            ours = Ours(LandmarkNet(engines.load(self._teacher.stem, threads=1, folder=self._teacher.parent)))
            if faces.name in HALF_OPINIONS:
                opinions = opinions_of(faces, [ours], None)
            else:
                mesh_map = self.mesh_map if faces.name in HAND_MADE else None
                opinions = opinions_of(faces, [ours, load_peers(threads=1)[0]], mesh_map)
            self._folder.mkdir(parents=True, exist_ok=True)
            np.save(kept, opinions)
        return np.asarray(np.load(kept))

    def blended(self, faces: FaceSet) -> FaceSet:
        """The set with its labels moved towards the opinions."""
        return BLENDS[faces.name].of(faces, self.of(faces))
