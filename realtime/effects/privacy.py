"""What happens to a swapped person's picture when their face is lost: it must not show by accident."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from realtime.frame import Face, Floats, Frame, Pixels
from realtime.render import gl
from realtime.render.canvas import Canvas

_GRID = 40  # cells along the longer side of the blurred picture: too coarse to know anyone by
_REACH = 1.3  # of the lost face's box, half sizes
_GROWTH_PER_S = 1.5
_LEFT_S = 5.0


class OnLost(StrEnum):
    """What the sinks see of a swapped face that is not found any more (after it was held for a moment)."""

    BLUR = "blur"
    HOLD = "hold"
    PASS = "pass"


class Veil:
    """Blurs where a lost face may be.

    Before the first face the whole picture is blurred. A lost face's place is blurred, and while no face is seen at all
    the blur grows until it covers everything, for the person may have moved on unseen. While other faces are still
    seen, a lost one is taken to have left after five seconds. `HOLD` repeats the last safe picture instead of blurring;
    `PASS` does nothing.

    Args:
        on_lost: which of them.
        tracked: the frames belong together. Else each is judged alone: blurred as a whole where no face is seen.
    """

    def __init__(self, on_lost: OnLost, tracked: bool = True) -> None:
        self._on_lost, self._tracked = on_lost, tracked
        self._seen: dict[int, _Place] = {}
        self._missing: dict[int, _Place] = {}
        self._any = False
        self._texture = gl.Texture((1, 1))
        self._safe: Pixels | None = None

    def cover(self, canvas: Canvas, frame: Frame, faces: tuple[Face, ...]) -> bool:
        """Cover the canvas where needed; called once per frame, after the swap.

        Returns:
            True where it now repeats a former finished picture, swapped faces, badge and all.
        """
        if self._on_lost is OnLost.PASS:
            return False
        self._follow(frame, faces)
        if self._any and not self._missing:
            return False
        if self._on_lost is OnLost.HOLD and self._safe is not None:
            canvas.begin(self._safe)
            return True
        small = _coarse(frame.pixels)
        height, width = small.shape[:2]
        if self._texture.size != (width, height):
            self._texture.release()
            self._texture = gl.Texture((width, height))
        alpha = self._alpha(frame, (width, height), growing=not faces)
        self._texture.upload(np.round(np.dstack([small * alpha[..., None], 255 * alpha])).astype(np.uint8))
        canvas.place(self._texture, (0, 0, *canvas.size))
        return False

    def remember(self, pixels: Pixels) -> None:
        """Take note of a finished picture; it is repeated where `HOLD` needs one."""
        if self._on_lost is OnLost.HOLD and self._any and not self._missing:
            self._safe = pixels

    def release(self) -> None:
        """Release GL objects; may be called more than once."""
        self._texture.release()

    def _follow(self, frame: Frame, faces: tuple[Face, ...]) -> None:
        now = {face.id: _Place(frame.time_s, face.box) for face in faces}
        if not self._tracked:
            self._seen, self._missing, self._any = {}, {}, False
        self._missing |= {number: place for number, place in self._seen.items() if number not in now}
        self._missing = {
            number: place
            for number, place in self._missing.items()
            if not any(_overlap(place.box, other.box) for other in now.values())
            and not (now and frame.time_s - place.time_s > _LEFT_S)
        }
        self._seen = now
        self._any = self._any or bool(now)

    def _alpha(self, frame: Frame, size: tuple[int, int], growing: bool) -> Floats:
        """(h, w) opacity in [0, 1] on the coarse grid."""
        width, height = size
        if not self._any:
            return np.ones((height, width), np.float32)
        alpha = np.zeros((height, width), np.float32)
        rows, columns = np.mgrid[0:height, 0:width]
        scale = np.array([width / frame.size[0], height / frame.size[1]])
        for place in self._missing.values():
            x, y, w, h = place.box
            reach = _REACH + (_GROWTH_PER_S * max(frame.time_s - place.time_s, 0.0) if growing else 0.0)
            centre = np.array([x + w / 2, y + h / 2]) * scale
            half = np.maximum(np.array([w, h]) / 2 * scale * reach, 0.5)  # of a cell at least
            away = np.hypot((columns + 0.5 - centre[0]) / half[0], (rows + 0.5 - centre[1]) / half[1])
            alpha = np.maximum(alpha, np.clip((1.3 - away) / 0.3, 0, 1))
        return alpha


@dataclass(frozen=True, slots=True)
class _Place:
    time_s: float
    box: tuple[float, float, float, float]


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    """True where the centre of one box lies in the other."""
    middle = (b[0] + b[2] / 2, b[1] + b[3] / 2)
    return a[0] <= middle[0] <= a[0] + a[2] and a[1] <= middle[1] <= a[1] + a[3]


def _coarse(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    shrink = _GRID / max(width, height)
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    return np.asarray(cv2.GaussianBlur(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), (0, 0), 1.0))
