"""Where one shot ends and another begins: nothing remembered of the last frame's faces holds after it."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.frame import Floats, Pixels

_SIZE = (32, 18)  # width, height of the pictures compared
_MARGIN = 2  # of them, in which the picture may have moved: 8 % of its width either way
_SIGMA = 4.0  # of the blur that stands for the light
_DARK = 8.0  # levels below which noise would speak in a logarithm
# The likeness below which it is a cut. Frames 33 ms apart of six clips with turning heads and shaken cameras are alike
# by 0.72 and more, with a lamp switched on or off by 0.65; frames of different clips by 0.34, 19 of 20 below 0.5.
_ALIKE = 0.5
_PLAIN = 4.0  # levels of spread below which a picture (a covered lens, a black frame) shows nothing


class Cuts:
    """Tells cuts from all that goes on within a shot. Give it the frames of one source in order.

    Two small pictures are compared by their normalised cross-correlation at its best place, in colour and with the
    light taken out (the logarithm less its blur); it is a cut if they are unlike in both. Movement and an unsteady
    camera leave the first alike, lamps switched the second. A picture that shows nothing is passed over: what comes
    after it is compared with what came before.
    """

    def __init__(self) -> None:
        self._last: tuple[Floats, Floats] | None = None

    def __call__(self, pixels: Pixels) -> bool:
        """Whether `pixels` (H, W, 3) uint8 begin a new shot; False for the first frame."""
        small = _small(pixels)
        if small.std(axis=(0, 1)).max() < _PLAIN:
            return False
        now = small, _without_light(small)
        last, self._last = self._last, now
        return last is not None and max(map(_likeness, last, now)) < _ALIKE


def _small(pixels: Pixels) -> Floats:
    """(18, 32, 3) float32, 0…255: a grid of the pixels, averaged."""
    step = max(1, min(pixels.shape[1] // (5 * _SIZE[0]), pixels.shape[0] // (5 * _SIZE[1])))
    grid = np.ascontiguousarray(pixels[::step, ::step])
    return np.asarray(cv2.resize(grid, _SIZE, interpolation=cv2.INTER_AREA), np.float32)


def _without_light(small: Floats) -> Floats:
    logarithm = np.log(small + _DARK)
    return np.asarray(logarithm - cv2.GaussianBlur(logarithm, (0, 0), _SIGMA))


def _likeness(last: Floats, now: Floats) -> float:
    """-1…1: of the middle of `now` and the part of `last` most like it."""
    middle = np.ascontiguousarray(now[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN])
    return float(cv2.matchTemplate(last, middle, cv2.TM_CCOEFF_NORMED).max())
