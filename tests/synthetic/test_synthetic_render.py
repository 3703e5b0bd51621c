"""Rendered truth against geometry that is computed another way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime.errors import InputError
from realtime.geometry.topology import LEFT_EYE, RIGHT_EYE
from training import data
from training.ict import rotations
from training.synthetic.parts import Class, Normals, sheet_triangles, tube
from training.synthetic.render import Renderer
from training.synthetic.scene import Ranges, Scene, crop_camera, random_scene
from training.synthetic.stock import Stock
from training.synthetic.truth import Rendered

SIZE = 96


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    try:
        data.folder()
    except InputError as error:
        pytest.skip(str(error))
    with Renderer(SIZE) as renderer:
        yield renderer


def simple(renderer: Renderer, seed: int, **changes: object) -> Scene:
    """A bald, beardless scene without anything worn, so that the drawn surface is the model's."""
    scene = renderer.scene(seed)
    look = replace(scene.look, hair="bald", hat="none", beard=0.0, moustache=0.0, beard_lift=0.0, age=0.0)
    return replace(scene, look=look, glasses=False, hand=False, closure=np.zeros(2), **changes)


def in_the_middle(face: Rendered, margin: int = 3) -> np.ndarray:
    """Face pixels whose neighbours all are of one smooth piece of skin."""
    skin = ((face.classes == Class.SKIN) * 255).astype(np.uint8)
    steep = np.abs(cv2.Laplacian(face.depth, cv2.CV_32F)) > 2.5
    skin[steep] = 0
    return cv2.erode(skin, np.ones((2 * margin + 1, 2 * margin + 1))) > 0


def test_the_same_seed_gives_the_same_picture_after_others(renderer: Renderer) -> None:
    first = renderer.face(3)
    renderer.face(4)
    again = renderer.face(3)
    for name in ("picture", "depth", "normals", "classes", "points"):
        assert np.array_equal(getattr(first, name), getattr(again, name)), name
    assert not np.array_equal(first.picture, renderer.face(5).picture)


@pytest.mark.parametrize("angles", [(0, 0, 0), (45, 0, 0), (-70, 10, 15), (0, -30, 0)])
def test_normals_are_those_of_the_depth(renderer: Renderer, angles: tuple[float, float, float]) -> None:
    face = renderer.draw(simple(renderer, 11, angles=np.array(angles, float)))
    v, u = np.mgrid[:SIZE, :SIZE]
    c = face.camera
    place = face.depth[..., None] * np.stack([(u - c.cx) / c.fx, (v - c.cy) / c.fy, np.ones((SIZE, SIZE))], axis=-1)
    across = (place[1:-1, 2:] - place[1:-1, :-2]) / 2
    down = (place[2:, 1:-1] - place[:-2, 1:-1]) / 2
    away = np.cross(across, down)
    away /= np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-9)
    expected = np.zeros_like(face.normals)
    expected[1:-1, 1:-1] = away * [-1, 1, 1]
    flat = in_the_middle(face) & (face.normals[..., 2] > 0.4)
    cosine = (expected * face.normals).sum(axis=-1)[flat]
    assert flat.sum() > 200
    # central differences over two pixels blur what curves between them: a few degrees, no lean to a side
    assert np.median(np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))) < 4
    assert np.abs((expected - face.normals)[flat].mean(axis=0)).max() < 0.02


def test_depth_at_the_landmarks_is_the_meshes(renderer: Renderer) -> None:
    # the eyelids' rims are edges that a pixel may miss; the nose, brows and mouth outline lie on skin
    for seed in (21, 22):
        face = renderer.draw(simple(renderer, seed, angles=np.array([20.0, 5.0, -10.0])))
        points = face.points_mm[17:31]
        pixels = points[:, :2] / points[:, 2:] * [face.camera.fx, face.camera.fy] + [face.camera.cx, face.camera.cy]
        assert np.allclose(pixels, face.points[17:31], atol=1e-3)
        x, y = pixels.astype(np.float32).T
        drawn = cv2.remap(face.depth, x, y, cv2.INTER_LINEAR)[:, 0]
        seen = face.visible[17:31]
        assert seen.sum() >= 8
        assert np.median(np.abs(drawn - points[:, 2])[seen]) < 1.0


def test_pose_and_place_are_those_asked_for(renderer: Renderer) -> None:
    camera, place = crop_camera(SIZE, 700.0, 250.0, np.array([0.1, -0.05]), np.array([8.0, -4.0]))
    scene = simple(renderer, 31, camera=camera, place=place, angles=np.array([30.0, 0.0, 0.0]))
    face = renderer.draw(scene)
    assert face.points_mm.mean(axis=0) == pytest.approx(place, abs=0.05)
    assert place[2] == 700.0
    middle = place[:2] / place[2] * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    assert middle == pytest.approx((SIZE - 1) / 2 + np.array([0.1, -0.05]) * SIZE)
    # yaw > 0: the nose points to the image right, of the ray to the face
    nose, eyes = face.points_mm[30], face.points_mm[[36, 45]].mean(axis=0)
    assert nose[0] - eyes[0] > 8
    straight = renderer.draw(replace(scene, angles=np.zeros(3)))
    turned = (straight.points_mm - straight.points_mm.mean(axis=0)) @ rotations(scene.angles[None])[0].T
    assert np.allclose(turned, face.points_mm - face.points_mm.mean(axis=0), atol=0.02)


def test_lashes_draw_a_dark_line_where_closed_lids_meet(renderer: Renderer) -> None:
    scene = simple(renderer, 8, angles=np.zeros(3), gaze=np.zeros(2))
    # dark lashes on light skin: seen from the front and in even light
    look = replace(
        scene.look, lashes=1.0, brow_colour=np.full(3, 0.02), pigments=replace(scene.look.pigments, melanin=0.1)
    )
    face = renderer.draw(replace(scene, look=look, closure=np.ones(2)))
    bald = renderer.draw(
        replace(scene, look=replace(look, lashes=0.0, brow_colour=np.full(3, 0.6)), closure=np.ones(2))
    )
    for eye in (LEFT_EYE, RIGHT_EYE):
        x, y = np.rint(face.points[eye].mean(axis=0)).astype(int)
        around = np.s_[y - 3 : y + 5, x - 3 : x + 4]
        line = face.clean[around].mean(axis=2).astype(float)
        assert line.min() < 0.6 * np.median(line)
        assert bald.clean[around].min() > 1.2 * line.min()
        assert (face.classes[around] == Class.HAIR).any(), "lashes are no skin"


def test_lids_close_and_hands_hide(renderer: Renderer) -> None:
    def opening(face: Rendered) -> float:
        return float(face.points[[41, 40, 47, 46], 1].mean() - face.points[[37, 38, 43, 44], 1].mean())

    scene = simple(renderer, 41, angles=np.zeros(3), gaze=np.zeros(2))
    opened, closed = renderer.draw(scene), renderer.draw(replace(scene, closure=np.ones(2)))
    assert opening(closed) < 0.25 * opening(opened)
    assert (closed.classes == Class.EYE).sum() < 0.3 * (opened.classes == Class.EYE).sum()
    assert opened.visible[[*LEFT_EYE, *RIGHT_EYE]].all()
    hidden = 0
    for seed in range(4):
        covered = renderer.draw(replace(scene, hand=True, seed=seed))
        hand = covered.classes == Class.HAND
        assert hand.sum() > 50
        before = hand & (opened.depth > 0)
        assert (covered.depth[before] < opened.depth[before]).mean() > 0.95
        hidden += opened.visible.sum() - covered.visible.sum()
    assert hidden > 8


def test_clear_glasses_keep_the_eyes_and_dark_ones_hide_them(renderer: Renderer) -> None:
    scene = simple(renderer, 51, angles=np.zeros(3), gaze=np.zeros(2))
    naked = (renderer.draw(scene).classes == Class.EYE).sum()
    shown = [(renderer.draw(replace(scene, glasses=True, seed=seed)).classes == Class.EYE).sum() for seed in range(8)]
    assert min(shown) == 0
    assert max(shown) > 0.7 * naked


def test_infrared_is_grey_and_background_has_no_truth(renderer: Renderer) -> None:
    ranges = Ranges(infrared=1.0)
    scenes = [replace(renderer.scene(seed), lights=scene.lights) for seed, scene in _infrared(renderer, ranges)]
    for scene in scenes:
        face = renderer.draw(scene)
        assert face.infrared
        assert np.ptp(face.clean.astype(int), axis=2)[face.classes > 0].max() <= 80
        assert np.ptp(face.picture.astype(int), axis=2).max() == 0
        behind = face.classes == Class.BACKGROUND
        assert not face.depth[behind].any()
        assert not face.normals[behind].any()
        assert np.allclose(np.linalg.norm(face.normals[~behind], axis=-1), 1, atol=1e-3)


def _infrared(renderer: Renderer, ranges: Ranges) -> list[tuple[int, Scene]]:
    return [(seed, random_scene(seed, SIZE, renderer.head, ranges)) for seed in (61, 62)]


def test_a_stock_gives_back_what_was_put_in(renderer: Renderer, tmp_path: Path) -> None:
    stock = Stock.create(tmp_path / "stock", 2, SIZE)
    faces = [renderer.face(seed) for seed in (71, 72)]
    stock.put(0, faces[0])
    again = Stock.create(tmp_path / "stock", 2, SIZE)
    assert again.filled == 1
    again.put(1, faces[1])
    for index, face in enumerate(faces):
        kept = Stock.open(tmp_path / "stock").face(index)
        assert np.array_equal(kept.picture, face.picture)
        assert np.abs(kept.depth - face.depth).max() <= 0.051
        facing = face.normals[..., 2] > 0.3
        assert np.rad2deg(np.arccos(np.clip((kept.normals * face.normals).sum(axis=-1)[facing], -1, 1))).max() < 1.2
        assert kept.camera.fx == pytest.approx(face.camera.fx)


def test_a_pipe_has_normals_that_point_out_of_it() -> None:
    path = np.stack([np.zeros(9), np.linspace(0, 80, 9), np.zeros(9)], axis=1)
    vertices, triangles = tube(path, np.full(9, 10.0), sides=24)
    normals = Normals()(vertices.astype(np.float32), triangles)
    outside = vertices * [1, 0, 1] / 10
    assert np.allclose(normals[24:-24], outside[24:-24], atol=0.05)
    assert sheet_triangles(9, 24, closed=True) is triangles
