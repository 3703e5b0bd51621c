"""Depth, normals, wires and dots: colours that mean what the legend says."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from faces_making import frame_of, portrait, posed_face

from realtime.controls import Mode, Settings
from realtime.effects.base import Effect
from realtime.effects.marks import Dots, Nothing, Wires
from realtime.effects.surface import Depth, Normals
from realtime.frame import Face, Frame, Intrinsics, Pixels, Pose
from realtime.geometry.mesh import face_mesh
from realtime.geometry.normals import mesh_normals
from realtime.geometry.topology import NOSE_TIP
from realtime.render.canvas import Canvas
from realtime.rgbd.surfaces import lifted_mesh

SIZE = (480, 360)
FACE = posed_face(size=110, centre=(240, 170))
SETTINGS = Settings(Mode.DEPTH)


def _draw(canvas: Canvas, effect: Effect, pixels: Pixels, *faces: Face) -> Pixels:
    canvas.begin(pixels)
    assert effect.draw(canvas, frame_of(pixels), faces, SETTINGS) == {}
    finished = canvas.finish()
    effect.release()
    effect.release()
    return finished


def _grey() -> Pixels:
    return np.full((SIZE[1], SIZE[0], 3), 60, np.uint8)


def _at(picture: Pixels, place: np.ndarray, radius: int = 2) -> np.ndarray:
    """(3,) mean colour around a pixel."""
    x, y = np.round(place).astype(int)
    return picture[y - radius : y + radius + 1, x - radius : x + radius + 1].reshape(-1, 3).mean(axis=0)


@pytest.mark.parametrize(
    ("slope", "expected"),
    [
        ((0.0, 0.0), (0, 0, 1)),
        ((-0.5, 0.0), (-0.5, 0, 1)),  # nearer towards the image right: it faces left
        ((0.0, 0.5), (0, -0.5, 1)),  # further towards the bottom: it faces down
        ((0.3, -0.7), (0.3, 0.7, 1)),
    ],
)
def test_normals_of_a_plane(slope: tuple[float, float], expected: tuple[float, float, float]) -> None:
    mesh = face_mesh()
    flat = 200 * mesh.uv
    solid = np.column_stack([flat, flat @ np.array(slope)])
    truth = np.array(expected) / np.linalg.norm(expected)
    np.testing.assert_allclose(mesh_normals(mesh, solid), np.tile(truth, (len(flat), 1)), atol=1e-3)


def test_normals_of_a_ball_point_away_from_its_middle() -> None:
    mesh = face_mesh()
    flat = 2 * (mesh.uv - 0.5)
    solid = np.column_stack([flat, -np.sqrt(1.5**2 - (flat**2).sum(axis=1))])
    truth = solid / 1.5 * [1, -1, -1]
    inside = np.linalg.norm(flat, axis=1) < 0.65
    assert inside.sum() > 100
    assert (mesh_normals(mesh, solid) * truth).sum(axis=1)[inside].min() > np.cos(np.deg2rad(4))


def test_near_is_bright(canvas: Canvas) -> None:
    picture = _draw(canvas, Depth(), _grey(), FACE)
    nose = _at(picture, FACE.points[NOSE_TIP]).sum()
    near_ears = [_at(picture, 0.9 * FACE.points[i] + 0.1 * FACE.points[30]).sum() for i in (1, 15)]
    cheeks = [_at(picture, FACE.points[[a, b]].mean(axis=0)).sum() for a, b in ((2, 31), (14, 35))]
    assert nose > max(cheeks) + 60
    assert min(cheeks) > max(near_ears)


def test_depth_colours_turn_with_the_head(canvas: Canvas) -> None:
    face = posed_face(Pose(40, 0, 0), 110, (240, 170))
    picture = _draw(canvas, Depth(), _grey(), face)
    near, far = (_at(picture, face.points[[a, b]].mean(axis=0)).sum() for a, b in ((3, 31), (13, 35)))
    assert near > far, "the nose points to the image right: the image-left cheek is the nearer one"


def test_normals_say_where_the_surface_faces(canvas: Canvas) -> None:
    picture = _draw(canvas, Normals(), _grey(), FACE).astype(int)
    left, right = (_at(picture, FACE.points[[a, b]].mean(axis=0)) for a, b in ((3, 48), (13, 54)))
    assert right[0] > left[0] + 60, "red to the image right"
    forehead, chin = _at(picture, FACE.points[[74, 27]].mean(axis=0)), _at(picture, FACE.points[[8, 57]].mean(axis=0))
    assert forehead[1] > chin[1] + 30, "green up"
    assert forehead[2] > 180, "blue to the camera"


@pytest.mark.parametrize("effect", [Depth, Normals])
def test_the_legend_stands_at_the_bottom_left_even_without_a_face(canvas: Canvas, effect: type[Effect]) -> None:
    changed = np.argwhere((_draw(canvas, effect(), _grey()) != 60).any(axis=2))
    assert len(changed) > 300
    assert changed[:, 0].min() > SIZE[1] * 0.55
    assert changed[:, 1].max() < SIZE[0] * 0.7
    assert changed[:, 1].min() > 0


@pytest.mark.parametrize("effect", [Depth, Normals])
def test_without_depth_no_surface_is_shown(canvas: Canvas, effect: type[Effect]) -> None:
    bare = _draw(canvas, effect(), _grey())
    np.testing.assert_array_equal(_draw(canvas, effect(), _grey(), replace(FACE, depth=None)), bare)


@pytest.mark.parametrize("effect", [Depth, Normals])
def test_the_surface_covers_the_face_and_fades_at_its_edge(canvas: Canvas, effect: type[Effect]) -> None:
    picture = _draw(canvas, effect(), _grey(), FACE)
    away = np.abs(picture.astype(int) - 60).max(axis=2)
    assert away[170, 240] > 30
    for index in (0, 4, 12, 16, 74):
        assert np.abs(_at(picture, FACE.points[index], 0) - 60).max() < 40, "no hard edge at the outline"


def test_a_networks_depth_is_shown_as_depth_and_not_as_normals(canvas: Canvas) -> None:
    relief = lifted_mesh(FACE)[:, 2] + 0.2 * (lifted_mesh(FACE)[:, 0] - 240)
    seen = replace(FACE, relief=relief.astype(np.float32))
    picture, lifted = (_draw(canvas, Depth(), _grey(), face).astype(int) for face in (seen, FACE))
    left, right = (_at(picture, FACE.points[[a, 30]].mean(axis=0)).sum() for a in (3, 13))
    assert left > right + 15, "nearer to the image left"
    assert (picture[-60:, :200] != lifted[-60:, :200]).any(), "the legend tells what it comes from"
    np.testing.assert_array_equal(*(_draw(canvas, Normals(), _grey(), face) for face in (seen, FACE)))


def test_a_networks_normals_are_shown(canvas: Canvas) -> None:
    facing = np.broadcast_to(np.array([0.6, 0, 0.8], np.float32), (len(face_mesh().uv), 3))
    picture = _draw(canvas, Normals(), _grey(), replace(FACE, facing=facing))
    expected = 0.8 * 255 * (0.5 + 0.5 * np.array([0.6, 0, 0.8])) + 0.2 * 60
    np.testing.assert_allclose(_at(picture, FACE.points[NOSE_TIP]), expected, atol=3)


def test_the_legend_follows_the_frame_size(canvas: Canvas) -> None:
    effect = Depth()
    reach = []
    for scale in (1, 3, 1):
        pixels = np.full((240 * scale, 320 * scale, 3), 60, np.uint8)
        canvas.begin(pixels)
        effect.draw(canvas, frame_of(pixels), (), SETTINGS)
        reach.append(np.argwhere((canvas.finish() != 60).any(axis=2))[:, 1].max() / (320 * scale))
    effect.release()
    assert reach[0] == reach[2]
    assert reach[1] > 0.5 * reach[0]


def test_wires_lie_on_the_face_and_are_brighter_near(canvas: Canvas) -> None:
    picture = _draw(canvas, Wires(), np.zeros((SIZE[1], SIZE[0], 3), np.uint8), FACE)
    lit = np.argwhere(picture.any(axis=2))[:, ::-1]
    low, high = FACE.points.min(axis=0), FACE.points.max(axis=0)
    assert (lit >= low - 2).all()
    assert (lit <= high + 2).all()
    x, y = np.round(FACE.points[NOSE_TIP]).astype(int)
    edge_x, edge_y = np.round(FACE.points[2]).astype(int)
    assert (
        picture[y - 12 : y + 13, x - 12 : x + 13].max()
        > picture[edge_y - 12 : edge_y + 13, edge_x : edge_x + 12].max() + 40
    )
    assert _draw(canvas, Wires(), _grey(), replace(FACE, depth=None)).max() > 60, "drawn flat where no depth is known"


def test_dots_show_the_confidence(canvas: Canvas) -> None:
    confidence = np.ones(81, np.float32)
    confidence[8] = 0
    picture = _draw(canvas, Dots(), portrait(FACE.points, SIZE), replace(FACE, confidence=confidence)).astype(int)
    sure, unsure, forehead = (_at(picture, FACE.points[i], 0) for i in (NOSE_TIP, 8, 74))
    assert sure[1] > 250 > 60 > sure[0]
    assert unsure[0] > 250 > 60 > unsure[1]
    assert forehead[2] > 250


def test_nothing_is_nothing(canvas: Canvas, rng: np.random.Generator) -> None:
    noise = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    np.testing.assert_array_equal(_draw(canvas, Nothing(), noise, FACE), noise)


def _with_sensor(pixels: Pixels, near: int = 700) -> Frame:
    """A frame whose sensor sees a board tilted to the image right in front of a wall."""
    depth = np.full(pixels.shape[:2], 3000, np.uint16)
    columns = np.arange(100, 380)
    depth[60:300, 100:380] = (near + 0.5 * (columns - 240)).astype(np.uint16)  # farther to the image right
    depth[100:110, 200:210] = 0
    return replace(frame_of(pixels), depth=depth, intrinsics=Intrinsics(400, 400, 239.5, 179.5))


def _drawn(canvas: Canvas, effect: Effect, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> Pixels:
    canvas.begin(frame.pixels)
    effect.draw(canvas, frame, faces, settings)
    return canvas.finish()


def test_depth_of_a_sensor_is_shown_where_it_measured(canvas: Canvas) -> None:
    effect = Depth()
    picture = _drawn(canvas, effect, _with_sensor(_grey()), (FACE,), SETTINGS).astype(int)
    assert (picture[20, 20] == 60).all(), "the wall is out of the head's range"
    assert (picture[105, 205] == 60).all(), "nothing measured"
    left, right = (picture[80, x].sum() for x in (120, 360))
    assert left > right + 60, "near is bright"
    legend = picture[-70:, :170]
    assert (legend.max(axis=2) > 200).any()
    # all colours come from the map, blended at the opacity it has
    level = round((950 - 640) / 400 * 255)  # the range is 150 before to 250 behind the head at 700
    colour = cv2.applyColorMap(np.array([[level]], np.uint8), cv2.COLORMAP_INFERNO)[0, 0, ::-1]
    np.testing.assert_allclose(picture[80, 120], 0.8 * colour + 0.2 * 60, atol=6)
    effect.release()


def test_the_range_rests_while_the_head_moves_a_little(canvas: Canvas) -> None:
    effect = Depth()
    _drawn(canvas, effect, _with_sensor(_grey()), (), SETTINGS)
    assert effect._range == (500, 4000)
    ranges = []
    for near in (700, 720, 690, 800):
        _drawn(canvas, effect, _with_sensor(_grey(), near), (FACE,), SETTINGS)
        ranges.append(effect._range)
    assert ranges == [(550, 950), (550, 950), (550, 950), (650, 1050)]
    _drawn(canvas, effect, _with_sensor(_grey()), (), SETTINGS)
    assert effect._range == (650, 1050), "a face that is missed for a moment moves nothing"
    _drawn(canvas, effect, replace(_with_sensor(_grey()), name="b.png"), (), SETTINGS)
    assert effect._range == (500, 4000), "unlike another picture"
    effect.release()


def test_normals_of_a_sensor(canvas: Canvas) -> None:
    effect = Normals()
    picture = _drawn(canvas, effect, _with_sensor(_grey()), (FACE,), SETTINGS).astype(int)
    # 0.5 mm a pixel of 1.75 mm: tilted by 16 degrees, nearer on the left, so that it faces right
    slope = np.array([0.5 / 1.75, 0, 1])
    expected = 255 * (0.5 + 0.5 * slope / np.linalg.norm(slope))
    np.testing.assert_allclose(picture[180, 240], 0.8 * expected + 0.2 * 60, atol=6)
    assert (picture[20, 20] == 60).all()
    effect.release()


@pytest.mark.parametrize("sensor", [False, True])
def test_a_lamp_lights_the_side_it_stands_on(canvas: Canvas, sensor: bool) -> None:
    face = posed_face(size=110, centre=(240, 170))
    cheeks = [np.round(face.points[[a, b]].mean(axis=0)).astype(int) for a, b in ((3, 31), (13, 35))]
    depth = None
    if sensor:  # a ball in place of the head
        x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
        square = 1 - ((x - 240) ** 2 + (y - 170) ** 2) / 130**2
        depth = np.where(square > 0, 800 - 130 * np.sqrt(np.maximum(square, 0)), 0).astype(np.uint16)
    pixels = np.full((SIZE[1], SIZE[0], 3), 200, np.uint8)
    frame = replace(frame_of(pixels), depth=depth, intrinsics=Intrinsics(600, 600, 239.5, 179.5))
    effect = Normals()
    for yaw in (-60, 60):
        picture = _drawn(canvas, effect, frame, (face,), Settings(Mode.NORMALS, relight=True, yaw=yaw)).astype(int)
        left, right = (picture[y, x].sum() for x, y in cheeks)
        assert (right - left) * yaw > 0
        assert abs(right - left) > 80
        assert picture.max() <= 255
        assert np.ptp(picture[cheeks[0][1], cheeks[0][0]]) <= 2, "light has no colour of its own"
    effect.release()


def test_a_blind_sensor_leaves_the_mesh(canvas: Canvas) -> None:
    effect = Depth()
    blind = replace(frame_of(_grey()), depth=np.zeros((SIZE[1], SIZE[0]), np.uint16))
    with_mesh = _drawn(canvas, effect, frame_of(_grey()), (FACE,), SETTINGS)
    np.testing.assert_array_equal(_drawn(canvas, effect, blind, (FACE,), SETTINGS), with_mesh)
    effect.release()
