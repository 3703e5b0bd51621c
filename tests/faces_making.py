"""Faces made up for tests of drawing: the mean face in known poses, painted portraits, and a canvas to draw on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from realtime.analysis.pose import rotation_of
from realtime.frame import Face, Floats, Frame, Pixels, Pose
from realtime.geometry.mesh import OUTLINE, face_mesh
from realtime.geometry.template import template
from realtime.geometry.topology import BROWS, INNER_LIPS, KEYPOINTS, LEFT_EYE, NOSTRILS, OUTER_LIPS, RIGHT_EYE
from realtime.render import gl
from realtime.render.canvas import Canvas
from realtime.render.context import Context

FRONTAL = Pose(0, 0, 0)


@contextmanager
def open_canvas() -> Iterator[Canvas]:
    """A canvas in a context of its own; whatever GL complained about fails the test."""
    from OpenGL import GL

    with Context():
        canvas = Canvas()
        yield canvas
        assert GL.glGetError() == GL.GL_NO_ERROR
        canvas.release()


def posed_solid(pose: Pose, size: float, centre: tuple[float, float], shape: np.ndarray | None = None) -> Floats:
    """(81, 3) the mean face, or another shape in its axes, `size` pixels between the outer eye corners when frontal."""
    solid = (template() if shape is None else shape) @ rotation_of(pose).T * size
    return (solid + np.array([*centre, 0])).astype(np.float32)


def posed_face(
    pose: Pose = FRONTAL,
    size: float = 90.0,
    centre: tuple[float, float] = (160.0, 120.0),
    number: int = 0,
    shape: np.ndarray | None = None,
) -> Face:
    """An analysed face whose every value is exact."""
    solid = posed_solid(pose, size, centre, shape)
    return Face(number, solid[:, :2], np.ones(KEYPOINTS, np.float32), 1.0, pose, solid[:, 2] - solid[:68, 2].mean())


def smooth_picture(rng: np.random.Generator, size: tuple[int, int], low: int = 60, high: int = 220) -> Pixels:
    """(H, W, 3) random colours between the levels, that change over some 12 pixels."""
    width, height = size
    coarse = rng.uniform(0, 1, (max(2, height // 12), max(2, width // 12), 3)).astype(np.float32)
    grown = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.round(low + (high - low) * cv2.GaussianBlur(grown, (0, 0), 2)).astype(np.uint8)


def portrait(
    points: Floats,
    size: tuple[int, int],
    skin: tuple[int, int, int] = (205, 160, 135),
    back: tuple[int, int, int] = (70, 90, 110),
    seed: int = 0,
) -> Pixels:
    """(H, W, 3) a painted face with its features and freckles where the keypoints are, in front of a plain wall."""
    picture = np.full((size[1], size[0], 3), back, np.uint8)
    unit = float(np.ptp(points[:68, 0]))

    def fill(places: np.ndarray, colour: tuple[int, ...], hull: bool = True) -> None:
        polygon = np.round(places * 16).astype(np.int32)
        cv2.fillPoly(picture, [cv2.convexHull(polygon) if hull else polygon], colour, cv2.LINE_AA, 4)

    fill(points[OUTLINE], skin, hull=False)
    rng = np.random.default_rng(seed)
    for place in (face_mesh().weights @ points)[KEYPOINTS::3]:
        tone = tuple(int(level * rng.uniform(0.85, 1.1)) for level in skin)
        cv2.circle(picture, np.round(place * 16).astype(int).tolist(), max(8, int(unit / 3)), tone, -1, cv2.LINE_AA, 4)
    for brow in (BROWS[:5], BROWS[5:]):
        fill(points[brow], (60, 40, 30))
    for eye in (LEFT_EYE, RIGHT_EYE):
        fill(points[eye], (235, 235, 235))
        middle = np.round(points[eye].mean(axis=0) * 16).astype(int).tolist()
        cv2.circle(picture, middle, max(8, int(unit / 3)), (40, 60, 30), -1, cv2.LINE_AA, 4)
    fill(points[NOSTRILS], (150, 105, 90))
    fill(points[OUTER_LIPS], (170, 70, 75))
    fill(points[INNER_LIPS], (60, 20, 20))
    return cv2.GaussianBlur(picture, (0, 0), 0.7)


def frame_of(pixels: Pixels, index: int = 0, rate: float = 30.0, notice: str | None = None) -> Frame:
    """Frame number `index` of a steady source."""
    return Frame(pixels, index, index / rate, 0.0, notice=notice)


def texture_of(pixels: Pixels) -> gl.Texture:
    """A picture on the graphics card, without mipmaps; the canvas' context must be current."""
    texture = gl.Texture((pixels.shape[1], pixels.shape[0]))
    texture.upload(np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)]))
    return texture


_AXIS = (28, 30, 33, 62)  # nose bridge to the middle of the mouth
_LEFT, _RIGHT = slice(0, 4), slice(13, 17)


def asymmetry(points: np.ndarray) -> float:
    """-1 … 1, how much further the image-right end of the jaw lies from the face's axis than the image-left end.

    0 for a frontal face; > 0 when the nose points to the image left. (Moniz et al. 2018, supplement S.3.)

    Args:
        points: (68 or more, 2) pixels.
    """
    axis = points[list(_AXIS)]

    def distance(jaw: np.ndarray) -> float:
        return float(((jaw[:, None] - axis[None]) ** 2).sum(axis=-1).mean())

    left, right = distance(points[_LEFT]), distance(points[_RIGHT])
    return (right - left) / max(right + left, 1e-9)
