"""A built-in stand-in for a camera: two public-domain portraits, moved as if somebody held the camera by hand.

The pictures come with packages that are installed anyway: `astronaut` (NASA, Eileen Collins) with scikit-image,
`grace_hopper.jpg` (US Navy, Grace Hopper) with matplotlib. Nothing is downloaded.
"""

from __future__ import annotations

import importlib.util
import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, pi, radians, sin
from pathlib import Path

import cv2
import numpy as np

from realtime.errors import InputError
from realtime.frame import Frame, Pixels
from realtime.sources.base import Source

SIZE = (1280, 720)
RATE = 30.0
DURATION_S = 20.0
TURN_S = 8.0

# What the moving view can reach: SIZE over the smallest zoom, turned and shifted by the most `_view` gives.
_CANVAS = (1568, 1024)
_FEATHER_PX = 90
_BLUR_PX = 48
_NOISE_LEVELS = 1.5
_NOISE_OFFSET = 16
_NOISE_SHIFT = 64
_BLACK = 16


@dataclass(frozen=True, slots=True)
class _Portrait:
    package: str
    file: str
    face: tuple[float, float]  # centre of the face in the picture
    scale: float  # brings the face to about a third of the frame height


_PORTRAITS = (
    _Portrait("skimage", "data/astronaut.png", (222.0, 128.0), 2.3),
    _Portrait("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", (270.0, 225.0), 1.55),
)


class Demo(Source):
    """The two portraits in turn, 1280x720 at 30 frames/s; frame n is the same in every run.

    Args:
        duration: seconds of media time, None: for ever.

    Raises:
        InputError: the portraits are not where the packages have them.
    """

    size = SIZE
    rate = RATE

    def __init__(self, duration: float | None = DURATION_S) -> None:
        self.frames = None if duration is None else round(duration * RATE)
        self._closed = threading.Event()
        self._canvases = [_planes(_canvas(portrait, _read(portrait))) for portrait in _PORTRAITS]
        self._i420 = np.empty((SIZE[1] * 3 // 2, SIZE[0]), np.uint8)
        self._planes = _planes(self._i420)
        extent = SIZE[1] + _NOISE_SHIFT, SIZE[0] + _NOISE_SHIFT
        noise = np.random.default_rng(0).normal(_NOISE_OFFSET, _NOISE_LEVELS, extent)
        self._noise = np.clip(np.rint(noise), 0, 255).astype(np.uint8)

    def __iter__(self) -> Iterator[Frame]:
        for index in itertools.count() if self.frames is None else range(self.frames):
            if self._closed.is_set():
                return
            yield Frame(self.picture(index), index, index / RATE, time.perf_counter())

    def picture(self, index: int) -> Pixels:
        """(720, 1280, 3) uint8 RGB, frame `index` of the demo (not from two threads at once)."""
        seconds = index / RATE
        view, gain = _view(seconds), _exposure(seconds)
        canvas = self._canvases[turn(seconds)]
        for plane, out, place in zip(canvas, self._planes, (view, _halved(view), _halved(view)), strict=True):
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            cv2.warpAffine(plane, place, out.shape[::-1], dst=out, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        x, y = index * 29 % _NOISE_SHIFT, index * 47 % _NOISE_SHIFT
        noise, luma = self._noise[y : y + SIZE[1], x : x + SIZE[0]], self._planes[0]
        cv2.addWeighted(luma, gain, noise, 1.0, _BLACK * (1 - gain) - _NOISE_OFFSET, dst=luma)
        return np.asarray(cv2.cvtColor(self._i420, cv2.COLOR_YUV2RGB_I420), dtype=np.uint8)

    def close(self) -> None:
        self._closed.set()


def turn(seconds: float) -> int:
    """Which of `portraits` shows at this media time."""
    return int(seconds / TURN_S) % len(_PORTRAITS)


def portraits() -> tuple[Pixels, ...]:
    """The portraits themselves, (H, W, 3) uint8 RGB: faces to swap with where the user has given none.

    Raises:
        InputError: a portrait is not where its package has it.
    """
    return tuple(_read(portrait) for portrait in _PORTRAITS)


def _read(portrait: _Portrait) -> Pixels:
    # find_spec does not import the package, which would take a second
    found = importlib.util.find_spec(portrait.package)
    folders = (found.submodule_search_locations if found else None) or []
    for folder in folders:
        pixels = cv2.imread(str(Path(folder) / portrait.file), cv2.IMREAD_COLOR)
        if pixels is not None:
            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)
    raise InputError(f"The demo needs {portrait.file} of the package {portrait.package}: install that package anew.")


def _canvas(portrait: _Portrait, pixels: Pixels) -> Pixels:
    """The enlarged portrait with its face in the middle, running out into a blurred continuation of itself.

    (3/2 H, W) uint8 I420: as cameras have it, and half the work to move.
    """
    scaled = cv2.resize(pixels, None, fx=portrait.scale, fy=portrait.scale, interpolation=cv2.INTER_CUBIC)
    height, width = scaled.shape[:2]
    left = round(_CANVAS[0] / 2 - portrait.face[0] * portrait.scale)
    top = round(_CANVAS[1] / 2 - portrait.face[1] * portrait.scale)
    edges = max(0, top), max(0, _CANVAS[1] - top - height), max(0, left), max(0, _CANVAS[0] - left - width)
    crop = np.s_[max(0, -top) : max(0, -top) + _CANVAS[1], max(0, -left) : max(0, -left) + _CANVAS[0]]
    sharp = cv2.copyMakeBorder(scaled, *edges, cv2.BORDER_REPLICATE)[crop]
    inside = cv2.copyMakeBorder(np.full((height, width), 255, np.uint8), *edges, cv2.BORDER_CONSTANT, value=0)[crop]
    # distance from the portrait's edge, padded so that the canvas border is none
    away = cv2.distanceTransform(np.ascontiguousarray(inside), cv2.DIST_L2, 5)
    weight = np.clip(away / _FEATHER_PX, 0, 1)[..., None].astype(np.float32)
    small = cv2.resize(sharp, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA)
    blurred = cv2.resize(cv2.GaussianBlur(small, (0, 0), _BLUR_PX / 8), _CANVAS, interpolation=cv2.INTER_CUBIC)
    canvas = np.asarray(np.rint(weight * sharp + (1 - weight) * blurred), dtype=np.uint8)
    return np.asarray(cv2.cvtColor(canvas, cv2.COLOR_RGB2YUV_I420), dtype=np.uint8)


def _planes(i420: Pixels) -> tuple[Pixels, Pixels, Pixels]:
    """Views of luma (H, W) and the two chroma planes (H/2, W/2) in an I420 picture (3/2 H, W)."""
    height, width = i420.shape[0] * 2 // 3, i420.shape[1]
    chroma = i420[height:].reshape(2, height // 2, width // 2)
    return i420[:height], chroma[0], chroma[1]


def _halved(view: np.ndarray) -> np.ndarray:
    """The same view between the half-size planes, whose pixel k lies between the pixels 2k and 2k + 1."""
    turn, shift = view[:, :2], view[:, 2]
    return np.hstack([turn, ((turn @ [0.5, 0.5] + shift - 0.5) / 2)[:, None]])


def _waves(seconds: float, *waves: tuple[float, float, float]) -> float:
    """Sum of (amplitude, frequency in Hz, phase in turns)."""
    return sum(size * sin(2 * pi * (rate * seconds + phase)) for size, rate, phase in waves)


def _view(seconds: float) -> np.ndarray:
    """(2, 3) frame pixel → canvas pixel: slow drift, faster and smaller unrest of the hand."""
    shift_x = _waves(seconds, (34, 0.11, 0.0), (8, 0.43, 0.3), (1.2, 1.9, 0.6))
    shift_y = _waves(seconds, (20, 0.09, 0.2), (6, 0.37, 0.7), (1.0, 2.3, 0.1))
    roll = radians(_waves(seconds, (4.0, 0.083, 0.0), (0.9, 0.31, 0.4), (0.12, 1.7, 0.8)))
    scale = 1 / (1.08 + _waves(seconds, (0.10, 0.07, 0.0), (0.015, 0.29, 0.5)))
    turn = np.array([[cos(roll), -sin(roll)], [sin(roll), cos(roll)]]) * scale
    middle, centre = (np.array(SIZE) - 1) / 2, (np.array(_CANVAS) - 1) / 2 + (shift_x, shift_y)
    return np.hstack([turn, (centre - turn @ middle)[:, None]])


def _exposure(seconds: float) -> float:
    return 1.0 + _waves(seconds, (0.07, 0.06, 0.0), (0.02, 0.23, 0.3))
