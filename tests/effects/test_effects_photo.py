"""Source faces: their texture, points and mirror image belong together, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from faces_making import portrait, posed_face

from realtime.effects.photo import person
from realtime.frame import Pose
from realtime.geometry.mesh import face_mesh
from realtime.geometry.topology import FLIP

POSES = [Pose(0, 0, 0), Pose(25, 5, -10), Pose(-50, 0, 15)]


@pytest.mark.parametrize("pose", POSES, ids=str)
@pytest.mark.parametrize(("size", "centre", "frame"), [(90, (160, 125), (320, 240)), (700, (900, 800), (1800, 1600))])
def test_the_texture_shows_the_face_where_its_points_say(
    pose: Pose, size: float, centre: tuple[float, float], frame: tuple[int, int]
) -> None:
    face = posed_face(pose, size, centre)
    picture = np.zeros((frame[1], frame[0], 3), np.uint8)
    y, x = np.mgrid[: frame[1], : frame[0]]
    marked = [30, 8, 36, 45]
    for index in marked:
        away = (x - face.points[index, 0]) ** 2 + (y - face.points[index, 1]) ** 2
        picture[..., 1] = np.maximum(picture[..., 1], 250 * np.exp(-0.5 * away / (size / 40) ** 2))
    view = person("somebody", [(picture, face)]).views[0]
    assert max(view.pixels.shape) <= 1024
    texels = view.pixels.shape[1] / (size / 90)
    y, x = np.mgrid[: view.pixels.shape[0], : view.pixels.shape[1]]
    for index in marked:
        near = np.hypot(x - view.points[index, 0], y - view.points[index, 1]) < texels / 25
        weight = view.pixels[..., 1] * near
        centroid = np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
        np.testing.assert_allclose(centroid, view.points[index], atol=0.5)


@pytest.mark.parametrize("pose", POSES, ids=str)
def test_the_mirror_image_belongs_to_its_points(pose: Pose) -> None:
    face = posed_face(pose, 90, (160, 125))
    plain, mirrored = person("somebody", [(portrait(face.points, (320, 240)), face)]).views
    width = plain.pixels.shape[1]
    np.testing.assert_array_equal(mirrored.pixels, plain.pixels[:, ::-1])
    np.testing.assert_array_equal(mirrored.bare, plain.bare[:, ::-1])
    assert mirrored.pixels.flags.c_contiguous
    np.testing.assert_allclose(mirrored.points[:, 0], width - 1 - plain.points[FLIP, 0], atol=1e-4)
    np.testing.assert_allclose(mirrored.points[:, 1], plain.points[FLIP, 1])
    np.testing.assert_array_equal(mirrored.depth, plain.depth[FLIP])
    assert mirrored.yaw == -plain.yaw
    np.testing.assert_allclose(mirrored.tone.low[:, ::-1], plain.tone.low, atol=0.03)
    # the vertices of the mesh are not quite mirror images: compare what they carry at the keypoints
    np.testing.assert_allclose(mirrored.tone.clear[:81], plain.tone.clear[:81][FLIP], atol=0.15)
    np.testing.assert_allclose(mirrored.share[:81], 1 - plain.share[:81], atol=0.02)


def test_solid_keeps_the_true_proportions() -> None:
    """Depth is scaled with the picture: eye distance and nose depth keep their ratio."""
    face = posed_face(Pose(0, 0, 0), 700, (900, 800))
    view = person("somebody", [(np.zeros((1600, 1800, 3), np.uint8), face)]).views[0]
    scale = np.linalg.norm(view.points[36] - view.points[45]) / 700
    assert face.depth is not None
    np.testing.assert_allclose(view.solid[:, 2], face.depth * scale, rtol=1e-4)
    assert view.solid.shape == (81, 3)


def test_several_pictures_give_pairs_of_views_in_order() -> None:
    faces = [posed_face(pose, 90, (160, 125)) for pose in POSES]
    views = person("somebody", [(portrait(face.points, (320, 240)), face) for face in faces]).views
    assert len(views) == 6
    for face, plain, mirrored in zip(faces, views[::2], views[1::2], strict=True):
        assert plain.yaw == face.pose.yaw == -mirrored.yaw


def test_a_face_across_the_picture_edge_is_cut_with_the_edge_repeated() -> None:
    face = posed_face(size=90, centre=(10, 20))
    view = person("somebody", [(portrait(face.points, (320, 240)), face)]).views[0]
    assert np.isfinite(view.tone.clear).all()
    assert view.tone.clear.shape == (len(face_mesh().uv),)
    assert np.ptp(view.points, axis=0).max() < max(view.pixels.shape)


def test_a_turned_photo_shows_more_of_its_near_side() -> None:
    face = posed_face(Pose(30, 0, 0), 90, (160, 125))
    view = person("somebody", [(portrait(face.points, (320, 240)), face)]).views[0]
    frontal = posed_face(size=90, centre=(160, 125))
    straight = person("somebody", [(portrait(frontal.points, (320, 240)), frontal)]).views[0]
    left, right = [2, 3, 31, 48], [14, 13, 35, 54]
    assert view.share[left].min() > 0.55
    assert view.share[right].max() < 0.45
    np.testing.assert_allclose(straight.share[left + right], 0.5, atol=0.03)
