"""The two kinds of pictures of each of CycleGAN's three uses, made by the live pipeline.

`background`: A is a face turned to the front beside its photo with the face blacked out (6 channels), B is a real
frontal face. `pose`: the same from faces turned far aside. `swap`: A is a swapped face, B a real one, from any side.
The people of the test are others than those of the training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Literal, Self

import cv2
import numpy as np
from rich.progress import track

from realtime.controls import Mode, Settings
from realtime.effects.base import Effect
from realtime.effects.photo import person
from realtime.effects.rotate import Frontalise, Rotate
from realtime.effects.swap import Swap
from realtime.errors import InputError
from realtime.frame import Floats, Pixels
from realtime.geometry.crops import face_crop
from realtime.geometry.template import template
from realtime.geometry.topology import HAIRLINE, JAW
from training import data
from training.repair_pairs import Studio, View

Use = Literal["background", "swap", "pose"]

CHANNELS = {"background": 6, "swap": 3, "pose": 6}  # of A; B has 3
_AXIS, _CHIN, _BRIDGE = (28, 30, 33, 62), 8, 27
_LEFT, _RIGHT = slice(0, 4), slice(13, 17)
_RULED = 80  # side of the pictures the rules are for
_FRONTAL, _STRAIGHT, _ASIDE = 0.2, 10 / _RULED, 0.5  # the second in sides of the picture
_CLOSE_UP = 512  # pixels a side, to which photos are cut
_FINER = 2  # pictures are drawn so many times larger and then reduced
_FURTHER_DEG = (-30.0, 30.0)
_OUTLINE = np.concatenate([JAW, HAIRLINE[::-1]])


def asymmetry(points: Floats) -> float:
    """-1..1, how far a face is turned: (d_R - d_L) / (d_R + d_L) of the mean squared distances of either end of the jaw
    to the nose and mouth; 0 is frontal (SEEDS 1.8).

    Args:
        points: (68 or more, 2) pixels.
    """
    axis = points[list(_AXIS)]
    left, right = (float(np.square(points[side][:, None] - axis[None]).sum(axis=2).mean()) for side in (_LEFT, _RIGHT))
    return (right - left) / max(right + left, 1e-9)


def is_frontal(points: Floats, size: int = _RULED) -> bool:
    """The rules for a frontal face, of keypoints in a crop of that size."""
    offset = abs(float(points[_BRIDGE, 0] - points[_CHIN, 0]))
    return abs(asymmetry(points)) < _FRONTAL and offset < _STRAIGHT * size


def is_aside(points: Floats) -> bool:
    """The rule for a face turned far aside."""
    return abs(asymmetry(points)) > _ASIDE


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Unpaired pictures.

    Attributes:
        a: (N, S, S, C) uint8.
        b: (M, S, S, 3) uint8 RGB.
    """

    a: Pixels
    b: Pixels

    def save(self, path: Path) -> None:
        """Write an .npz file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, a=self.a, b=self.b)

    def reduced(self, size: int) -> Self:
        """The same pictures, `size` pixels a side."""
        return type(self)(*(np.stack([_reduced(picture, size) for picture in kind]) for kind in (self.a, self.b)))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Raises InputError where it is not there."""
        if not path.is_file():
            raise InputError(f"There are no pictures at {path}: make them with python -m training cyclegan --draw.")
        with np.load(path) as stored:
            return cls(stored["a"], stored["b"])


def draw(studio: Studio, use: Use, held_out: bool, size: int, count: int, seed: int = 0) -> Pictures:
    """`count` pictures of each kind, at most: of the training people or of the held-out ones; the same for the same
    seed."""
    views = _Views(studio, held_out, np.random.default_rng([seed, held_out]))
    a = {
        "background": _turned(studio, views, size, _any),
        "pose": _turned(studio, views, size, is_aside),
        "swap": _swapped(studio, views, size),
    }[use]
    b = _real(views, size, _any if use == "swap" else partial(is_frontal, size=size))
    return Pictures(*(_stacked(pictures, count, f"{use} {kind}") for kind, pictures in (("A", a), ("B", b))))


def _stacked(pictures: Iterator[Pixels], count: int, name: str) -> Pixels:
    made = [picture for _, picture in zip(track(range(count), name), pictures, strict=False)]
    if not made:
        raise InputError(f"No picture of the data folder gives one of kind {name}: fetch the data folder again.")
    return np.stack(made)


def _any(points: Floats) -> bool:
    return True


class _Views:
    """Faces in random order, photos and video frames in turn; each picture once in a round."""

    def __init__(self, studio: Studio, held_out: bool, rng: np.random.Generator) -> None:
        self._studio, self._rng = studio, rng
        self._sets = (data.faces_300w(), data.faces_ytf())
        self._rows = [faces.testing() if held_out else faces.training() for faces in self._sets]

    def __call__(self, keep: Callable[[Floats], bool]) -> Iterator[View]:
        """Those whose keypoints are to be kept, every picture once; keypoints are judged in the face's crop."""
        orders = [self._rng.permutation(rows) for rows in self._rows]
        for turns in zip_longest(*orders):
            for faces, row in zip(self._sets, turns, strict=True):
                if row is not None and keep(face_crop(faces.points[row], _RULED).into(faces.points[row])):
                    view = self._studio.view(faces.picture(row), faces.points[row])
                    if view is not None:
                        yield view


def _real(views: _Views, size: int, keep: Callable[[Floats], bool]) -> Iterator[Pixels]:
    for pixels, face in views(keep):
        crop = face_crop(face.points, size)
        if keep(crop.into(face.points)):
            yield crop.cut(pixels)


def _turned(studio: Studio, views: _Views, size: int, keep: Callable[[Floats], bool]) -> Iterator[Pixels]:
    for view in views(keep):
        picture = _to_the_front(studio, view, size)
        if picture is not None:
            yield picture


def of_photo(studio: Studio, use: Use, pixels: Pixels, points: Floats, size: int) -> Pixels:
    """(size, size, C) of kind A: a photo with a face near (81, 2) points; for `swap` the face is taken for a swapped
    one. Raises InputError where the face cannot be turned to the front."""
    large = face_crop(points, _CLOSE_UP).cut(pixels)
    view = studio.view(large, standing(_CLOSE_UP))
    picture = _to_the_front(studio, view, size) if view and use != "swap" else _reduced(large, size)
    if view is None or picture is None:
        raise InputError("The photo's face is too hidden or too small to be turned: choose another.")
    return picture


def _to_the_front(studio: Studio, view: View, size: int) -> Pixels | None:
    """(size, size, 6): the face turned to the front, over black, and the photo without it."""
    pixels, face = view
    crop = face_crop(face.points, _FINER * size)
    rest = cv2.fillPoly(pixels.copy(), [np.round(face.points[_OUTLINE]).astype(np.int32)], (0, 0, 0))
    turned = _alone(studio, Frontalise(), view)
    return None if turned is None else _reduced(np.dstack([crop.cut(part) for part in (turned, rest)]), size)


def _alone(studio: Studio, effect: Effect, view: View) -> Pixels | None:
    """(H, W, 3) a face as the effect turns it, over black; None where nothing was drawn."""
    face = view[1]
    picture, drawn = studio.shown(effect, view, Settings(Mode.FRONTALISE))
    if drawn is None or drawn.affine is None or face.depth is None:
        return None
    solid = np.column_stack([face.points, face.depth])
    outline = (solid @ drawn.affine[:, :3].T + drawn.affine[:, 3])[_OUTLINE]
    mask = cv2.fillPoly(np.zeros_like(picture), [np.round(outline).astype(np.int32)], (1, 1, 1))
    return picture * mask


def rotated_further(studio: Studio, pictures: Pixels) -> list[Pixels]:
    """(B, S, S, 3) pictures of faces, turned to either side by the live pipeline; black where it sees no face."""
    columns, effect = [], Rotate()
    for yaw in _FURTHER_DEG:
        turned = np.zeros_like(pictures)
        for place, picture in enumerate(pictures):
            size = picture.shape[0]
            large = cv2.resize(picture, (_FINER * size, _FINER * size), interpolation=cv2.INTER_CUBIC)
            if view := studio.view(large, standing(_FINER * size)):
                turned[place] = _reduced(studio.shown(effect, view, Settings(Mode.ROTATE, yaw=yaw))[0], size)
        columns.append(turned)
    return columns


def standing(size: int) -> Floats:
    """(81, 2) where the mean face lies in a crop of that size."""
    points = 100 * template()[:, :2].astype(np.float32)
    return face_crop(points, size).into(points).astype(np.float32)


def _reduced(picture: Pixels, size: int) -> Pixels:
    """(size, size, C) of three or six channels."""
    parts = np.split(picture, picture.shape[-1] // 3, axis=-1)  # OpenCV takes no more than four
    return np.dstack([cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA) for part in parts])


def _swapped(studio: Studio, views: _Views, size: int) -> Iterator[Pixels]:
    """(size, size, 3): a face drawn onto the next one."""
    previous: View | None = None
    for view in views(_any):
        if previous is not None:
            effect = Swap((person("", [previous]),))
            picture, drawn = studio.shown(effect, view, Settings(Mode.SWAP))
            effect.release()
            if drawn is not None:
                yield face_crop(view[1].points, size).cut(picture)
        previous = view
