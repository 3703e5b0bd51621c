"""Second opinions: the mesh map against a linear truth, no side preferred, and how far labels move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from realtime.analysis.detector import Detection
from realtime.analysis.landmarks import CROP, Landmarks
from realtime.frame import Pixels
from realtime.geometry.crops import Crop, face_crop
from realtime.geometry.template import template
from realtime.geometry.topology import HAIRLINE, INNER, JAW, LANDMARKS, eye_distance
from training.data import FaceSet
from training.opinions import Blend, MeshMap, opinions_of
from training.peers import Estimator


def portraits(points: np.ndarray) -> FaceSet:
    """Grey pictures of 200 pixels with those (N, 81, 2) points; none held out."""
    code = cv2.imencode(".png", np.full((200, 200), 90, np.uint8))[1]
    count = len(points)
    nothing = np.full((count, 4), np.nan, np.float32)
    return FaceSet("none", [code] * count, points, nothing, np.full(count, ""), np.zeros(count, bool))


def faces(count: int) -> np.ndarray:
    """(N, 81, 2) float32: the mean face, upright, about 80 pixels between the eyes."""
    shape = template()[:, :2]
    shape = (shape - shape.mean(axis=0)) * 80 / eye_distance(shape) + 100
    return np.repeat(shape[None].astype(np.float32), count, axis=0)


class Leaning(Estimator):
    """Finds the mean face in the crop's middle, always two pixels to the image right."""

    name, side = "leaning", 1.6

    def crop(self, points: np.ndarray) -> Crop:
        return face_crop(points, CROP)

    def crop_of_box(self, found: Detection) -> Crop:
        raise NotImplementedError

    def __call__(self, pixels: Pixels, crops: Sequence[Crop]) -> Landmarks:
        there = face_crop(faces(1)[0], CROP).into(faces(1)[0])
        found = np.stack([crop.back(there) + np.array([2, 0]) for crop in crops]).astype(np.float32)
        return Landmarks(found, np.ones(found.shape[:2], np.float32), np.ones(len(crops), np.float32))


def test_an_opinion_leans_to_no_side_and_there_is_none_of_held_out_pictures() -> None:
    some = replace(portraits(faces(3)), held_out=np.array([False, True, False]))
    opinions = opinions_of(some, [Leaning()], None)
    assert np.isnan(opinions[1]).all()
    aside = (opinions[[0, 2]] - some.points[[0, 2], :LANDMARKS])[..., 0].mean()
    assert abs(aside) < 0.05


def test_the_mesh_map_finds_what_depends_on_the_mesh_linearly_at_any_place_turn_and_size() -> None:
    rng = np.random.default_rng(3)
    mean, modes = rng.normal(0, 60, (468, 3)), rng.normal(0, 6, (5, 468, 3))
    mean[33], mean[263] = (-40, 0, 0), (40, 0, 0)
    pairs = rng.integers(0, 468, (2, LANDMARKS))
    meshes, points = {}, faces(60)
    for row in range(60):
        angle, size = rng.normal(0, 0.4), rng.uniform(0.5, 2)
        turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        mesh = mean + np.tensordot(rng.normal(size=5), modes, 1)
        meshes[row] = np.column_stack([mesh[:, :2] @ turn.T + rng.uniform(0, 200, 2), size * mesh[:, 2]])
        points[row, :LANDMARKS] = meshes[row][pairs].mean(axis=0)[:, :2]
    some = portraits(points)
    found_by = MeshMap.fitted(replace(some, held_out=np.arange(60) >= 40), meshes)
    for row in range(40, 60):
        mesh = meshes[row]
        off = np.linalg.norm(found_by(mesh) - points[row, :LANDMARKS], axis=1).mean()
        assert off < 0.05 * np.linalg.norm(mesh[263, :2] - mesh[33, :2])


def test_labels_move_by_their_share_towards_near_opinions_alone() -> None:
    some = portraits(faces(3))
    opinions = some.points[:, :LANDMARKS] + np.float32(4)
    opinions[1] += 40
    opinions[2] = np.nan
    moved = Blend(0.25, 0.5).of(some, opinions).points - some.points
    np.testing.assert_allclose(moved[0, INNER], 1, atol=1e-4)
    np.testing.assert_allclose(moved[0, JAW], 2, atol=1e-4)
    assert (moved[0, HAIRLINE] == 0).all() and (moved[1:] == 0).all()
