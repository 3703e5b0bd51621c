"""Rotate and frontalise: the affine is the rotation, the picture follows it, and nothing turns where nothing should."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from faces_making import asymmetry, frame_of, portrait, posed_face

from realtime.analysis.pose import pose_of, rotation_of
from realtime.controls import Mode, Settings
from realtime.effects.rotate import Frontalise, Rotate, sweep_yaw
from realtime.effects.turning import HostTurner, Turn
from realtime.frame import Face, Pixels, Pose
from realtime.geometry.mesh import OUTLINE, head_mesh
from realtime.geometry.template import template
from realtime.geometry.topology import NOSE_TIP
from realtime.render.canvas import Canvas

SIZE = (480, 360)
CENTRE = (240.0, 185.0)


def _draw(canvas: Canvas, effect: Rotate, pixels: Pixels, faces: tuple[Face, ...], settings: Settings, time: int = 0):  # type: ignore[no-untyped-def]
    canvas.begin(pixels)
    drawn = effect.draw(canvas, frame_of(pixels, time), faces, settings)
    return canvas.finish(), drawn


def _projected(affine: np.ndarray, face: Face) -> np.ndarray:
    assert face.depth is not None
    return np.column_stack([face.points, face.depth, np.ones(81)]) @ affine.T


@pytest.mark.parametrize("pose", [Pose(0, 0, 0), Pose(35, 10, -20)], ids=str)
def test_no_turn_changes_no_pixel(canvas: Canvas, rng: np.random.Generator, pose: Pose) -> None:
    face = posed_face(pose, 90, CENTRE)
    noise = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    picture, drawn = _draw(canvas, Rotate(), noise, (face,), Settings(Mode.ROTATE))
    np.testing.assert_allclose(drawn[0].affine, np.eye(2, 4), atol=2e-3)
    assert np.abs(picture.astype(int) - noise).max() <= 3
    assert np.abs(picture.astype(int) - noise).mean() <= 0.3


@pytest.mark.parametrize("start", [Pose(0, 0, 0), Pose(-20, 5, 10)], ids=str)
@pytest.mark.parametrize("turn", [(30, 0, 0), (-30, 0, 0), (0, 20, 0), (0, 0, 25), (25, -10, -15)], ids=str)
def test_the_affine_is_the_rotation(canvas: Canvas, start: Pose, turn: tuple[float, float, float]) -> None:
    face = posed_face(start, 90, CENTRE)
    yaw, pitch, roll = turn
    settings = Settings(Mode.ROTATE, yaw=yaw, pitch=pitch, roll=roll)
    _, drawn = _draw(canvas, Rotate(), portrait(face.points, SIZE), (face,), settings)
    np.testing.assert_allclose(drawn[0].affine[:, :3], rotation_of(Pose(*turn))[:2], atol=2e-3)
    np.testing.assert_array_equal(drawn[0].source_points, face.landmarks)
    assert face.depth is not None
    np.testing.assert_array_equal(drawn[0].depth, face.depth[:68])


def test_the_head_turns_about_its_middle(canvas: Canvas) -> None:
    """A point behind the middle of the face, 0.55 eye distances, stays where it is in the picture."""
    face = posed_face(Pose(0, 10, 0), 90, CENTRE)
    assert face.depth is not None
    axis = np.append(np.column_stack([face.landmarks, face.depth[:68]]).mean(axis=0), 1)
    eyes = np.linalg.norm(face.points[36] - face.points[45])
    for settings in (Settings(Mode.ROTATE, yaw=40), Settings(Mode.ROTATE, pitch=-25), Settings(Mode.ROTATE, roll=60)):
        _, drawn = _draw(canvas, Rotate(), portrait(face.points, SIZE), (face,), settings)
        np.testing.assert_allclose(drawn[0].affine @ (axis + np.array([0, 0, 0.55 * eyes, 0])), axis[:2], atol=0.3)


@pytest.mark.parametrize(
    ("settings", "axis", "sign"),
    [
        (Settings(Mode.ROTATE, yaw=30), 0, 1),
        (Settings(Mode.ROTATE, yaw=-30), 0, -1),
        (Settings(Mode.ROTATE, pitch=20), 1, -1),
        (Settings(Mode.ROTATE, pitch=-20), 1, 1),
    ],
    ids=str,
)
def test_the_nose_moves_where_the_head_turns(canvas: Canvas, settings: Settings, axis: int, sign: int) -> None:
    """A bright mark on the nose, found again in the picture: where the affine puts it, on the right side."""
    face = posed_face(size=90, centre=CENTRE)
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    nose = face.points[NOSE_TIP]
    pixels[..., 0] = 255 * np.exp(-0.5 * ((x - nose[0]) ** 2 + (y - nose[1]) ** 2) / 2.0**2)
    picture, drawn = _draw(canvas, Rotate(), pixels, (face,), settings)
    found = np.argwhere(picture[..., 0] == picture[..., 0].max()).mean(axis=0)[::-1]
    np.testing.assert_allclose(found, _projected(drawn[0].affine, face)[NOSE_TIP], atol=1)
    eyes = _projected(drawn[0].affine, face)[36:48].mean(axis=0) - face.points[36:48].mean(axis=0)
    assert (found - nose)[axis] * sign > 5
    assert ((found - nose) - eyes)[axis] * sign > 5, "further than the eyes, which lie behind it"


@pytest.mark.parametrize("side", [-1, 1])
def test_the_far_cheek_of_a_turned_head_stands_out(canvas: Canvas, side: int) -> None:
    """At the nose's height it ends 0.417 eye distances aside of the head's middle, on the morphable model's surface."""
    face = posed_face(size=90, centre=CENTRE)
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    cv2.fillPoly(pixels, [np.round(face.points[OUTLINE]).astype(np.int32)], (255, 255, 255))
    picture, drawn = _draw(canvas, Rotate(), pixels, (face,), Settings(Mode.ROTATE, yaw=40.0 * side))
    nose = _projected(drawn[0].affine, face)[NOSE_TIP]
    bright = np.flatnonzero(picture[round(float(nose[1])), :, 0] > 128)
    middle = nose[0] - 90 * (rotation_of(Pose(40.0 * side, 0, 0)) @ template()[NOSE_TIP])[0]
    cheek = bright.max() if side > 0 else bright.min()
    assert (cheek - middle) * side / 90 == pytest.approx(0.417, abs=0.04)


@pytest.mark.parametrize("pose", [Pose(0, 0, 0), Pose(30, 5, -10)], ids=str)
def test_a_cheek_takes_its_texture_from_between_its_keypoints(pose: Pose) -> None:
    """Whatever its depth: beside them, a turned face shows what lies behind its far cheek."""
    face = posed_face(pose, 90, CENTRE)
    (model,) = HostTurner().turn([Turn(face, rotation_of(Pose(-30, 0, 0)))])
    assert model is not None
    np.testing.assert_allclose(model.warp.source, head_mesh()[0].weights @ face.points, atol=1e-3)


@pytest.mark.parametrize("yaw", [-45.0, 20.0, 45.0])
def test_what_is_far_from_the_head_stands_still(canvas: Canvas, rng: np.random.Generator, yaw: float) -> None:
    face = posed_face(size=70, centre=CENTRE)
    noise = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    picture, _ = _draw(canvas, Rotate(), noise, (face,), Settings(Mode.ROTATE, yaw=yaw))
    changed = np.argwhere(np.abs(picture.astype(int) - noise).max(axis=2) > 3)
    x, y, width, height = face.box
    away = np.abs(changed[:, ::-1] - [x + width / 2, y + height / 2]).max(axis=1)
    assert len(changed) > 3000
    assert away.max() < 1.6 * max(width, height)


@pytest.mark.parametrize("yaw", [-45.0, -20.0, 0.0, 35.0])
def test_frontalise_makes_a_face_symmetric(canvas: Canvas, yaw: float) -> None:
    face = posed_face(Pose(yaw, 8, -12), 90, CENTRE)
    _, drawn = _draw(canvas, Frontalise(), portrait(face.points, SIZE), (face,), Settings(Mode.FRONTALISE, yaw=30))
    points = _projected(drawn[0].affine, face)
    assert abs(asymmetry(points)) < 0.05
    assert points[36, 1] == pytest.approx(points[45, 1], abs=0.5), "and upright"
    assert np.linalg.norm(points[36] - points[45]) == pytest.approx(90, rel=0.02)


def test_frontalise_copes_with_a_depth_that_is_wrong(canvas: Canvas, rng: np.random.Generator) -> None:
    face = posed_face(Pose(30, 0, 0), 90, CENTRE)
    assert face.depth is not None
    face = replace(face, depth=(0.8 * face.depth + rng.normal(scale=3, size=81)).astype(np.float32))
    _, drawn = _draw(canvas, Frontalise(), portrait(face.points, SIZE), (face,), Settings(Mode.FRONTALISE))
    assert abs(asymmetry(_projected(drawn[0].affine, face))) < 0.35 < abs(asymmetry(face.points))


def test_the_sweep_swings_to_both_sides_and_comes_back() -> None:
    values = {time: sweep_yaw(time) for time in (0, 0.75, 1.5, 3, 4.5, 6)}
    assert values == pytest.approx({0: 0, 0.75: 22.5, 1.5: 45, 3: 0, 4.5: -45, 6: 0}, abs=1e-6)
    path = np.array([sweep_yaw(time) for time in np.arange(0, 12, 0.01)])
    assert np.abs(np.diff(path)).max() < 0.31, "evenly: 30 degrees a second"


def test_sweeping_follows_media_time(canvas: Canvas) -> None:
    face, settings = posed_face(size=90, centre=CENTRE), Settings(Mode.ROTATE, yaw=-70, sweep=True)
    picture = portrait(face.points, SIZE)
    _, drawn = _draw(canvas, Rotate(), picture, (face,), settings, time=15)
    linear = drawn[0].affine[:, :3]
    assert pose_of(np.vstack([linear, np.cross(*linear)])).yaw == pytest.approx(15, abs=0.5)


def test_every_face_is_turned_but_none_without_depth(canvas: Canvas) -> None:
    faces = (
        posed_face(size=50, centre=(120, 180), number=3),
        posed_face(size=60, centre=(340, 180), number=9),
        replace(posed_face(size=50, centre=(230, 80), number=5), depth=None),
    )
    pixels = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    _, drawn = _draw(canvas, Rotate(), pixels, faces, Settings(Mode.ROTATE, yaw=20))
    assert set(drawn) == {3, 9}


@pytest.mark.parametrize("points", ["one place", "a line", "not numbers"])
def test_points_that_determine_no_affine_leave_the_picture_alone(canvas: Canvas, points: str) -> None:
    face = posed_face(size=90, centre=CENTRE)
    bad = {
        "one place": np.full((81, 2), 100, np.float32),
        "a line": np.column_stack([np.linspace(10, 200, 81), np.linspace(20, 100, 81)]).astype(np.float32),
        "not numbers": np.full((81, 2), np.nan, np.float32),
    }[points]
    picture = portrait(face.points, SIZE)
    after, drawn = _draw(canvas, Rotate(), picture, (replace(face, points=bad),), Settings(Mode.ROTATE, yaw=20))
    assert not drawn
    np.testing.assert_array_equal(after, picture)
