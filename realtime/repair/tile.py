"""The square of the frame that a repair network sees: where it lies, and how it is cut out and made small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from realtime.frame import Floats, Pixels

# Sides and steps are such that a square that moves does so by 1/16 of its side: 8 pixels of a 128 pixel tile. Networks
# with strides up to 8 then see the same picture, only shifted.
_STEPS = 16
_ROOM = 1.45  # side, in larger sides of the face's box: what surrounds the face in `rotate` just fits
_SLACK = 1.1  # the face may grow or shrink by so much before its square does
_SMALLEST = 48  # pixels: a face of 32 of them, on which nobody sees a seam
_LARGEST = 3.0  # in larger sides of the frame: what is left in the frame of such a face is plain skin


@dataclass(frozen=True, slots=True)
class Square:
    """An upright square of whole pixels; it may reach over the frame's edges.

    Attributes:
        x, y: its top left pixel.
        side: in pixels, a multiple of 16.
    """

    x: int
    y: int
    side: int

    @classmethod
    def around(cls, points: Floats, previous: Self | None = None) -> Self:
        """The square around a drawn face.

        Args:
            points: (V, 2 or more) finite pixels, of the face alone.
            previous: that of the frame before. It stays where the face still fits well, and moves by whole steps of a
                sixteenth of its side: what is still in the frame is still in the tile, too.
        """
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        wanted = max(_ROOM * float((high - low).max()), 1.0)
        side = _STEPS * int(np.ceil(wanted / _STEPS))
        if previous is not None and 1 / _SLACK <= wanted / previous.side <= _SLACK:
            side = previous.side
        step = side // _STEPS
        corner = (low + high + 1) / 2 - side / 2
        if previous is None or previous.side != side:
            x, y = (step * round(float(c) / step) for c in corner)
            return cls(x, y, side)
        x, y = (
            old if abs(float(c) - old) <= step else old + step * round((float(c) - old) / step)
            for c, old in zip(corner, (previous.x, previous.y), strict=True)
        )
        return cls(x, y, side)

    def fits(self, size: tuple[int, int]) -> bool:
        """Whether there is anything to repair in a frame of (width, height): part of a face of sensible size."""
        return (
            _SMALLEST <= self.side <= _LARGEST * max(size)
            and -self.side < self.x < size[0]
            and -self.side < self.y < size[1]
        )

    def inside(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """x, y, width, height of what lies in a frame of (width, height)."""
        x, y = max(self.x, 0), max(self.y, 0)
        return x, y, min(self.x + self.side, size[0]) - x, min(self.y + self.side, size[1]) - y

    def into(self, points: Floats, size: int) -> Floats:
        """(N, 2) frame pixels → pixels of a tile of `size`."""
        placed: Floats = (points - (self.x, self.y) + 0.5) * (size / self.side) - 0.5
        return placed

    def cut(self, pixels: Pixels, size: int) -> Pixels:
        """The square of a whole frame, made `size` pixels wide and high; see `shrink`."""
        x, y, width, height = self.inside((pixels.shape[1], pixels.shape[0]))
        return self.shrink(pixels[y : y + height, x : x + width], (pixels.shape[1], pixels.shape[0]), size)

    def shrink(self, part: Pixels, frame: tuple[int, int], size: int) -> Pixels:
        """(size, size, C) uint8 of what lies `inside` the frame, by area; beyond the frame its edge is repeated.

        Args:
            part: (h, w, C) uint8, the pixels of `inside(frame)`.
            frame: (width, height).
            size: of the tile.
        """
        x, y, width, height = self.inside(frame)
        top, left = y - self.y, x - self.x
        if (width, height) != (self.side, self.side):
            bottom, right = self.side - top - height, self.side - left - width
            part = cv2.copyMakeBorder(part, top, bottom, left, right, cv2.BORDER_REPLICATE)
        side = self.side
        while side >= 4 * size and side % 2 == 0:  # halving is quick, and the mean of means is the mean
            side //= 2
            part = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA)
        how = cv2.INTER_AREA if side >= size else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(part, (size, size), interpolation=how), np.uint8)

    def enlarge(self, tile: Pixels, rectangle: tuple[int, int, int, int]) -> Pixels:
        """(h, w, C) uint8 of x, y, width, height of the frame, as a tile of the square shows it, interpolated linearly.

        Args:
            tile: (size, size, C) uint8, the size a multiple of 16.
            rectangle: lies within the square.
        """
        x, y, width, height = rectangle
        x, y = x - self.x, y - self.y
        step, cell = self.side // _STEPS, len(tile) // _STEPS
        # only the sixteenths that are wanted, and one more all round, which their edges reach into
        left, top = max(x // step - 1, 0), max(y // step - 1, 0)
        right, bottom = min(-(-(x + width) // step) + 1, _STEPS), min(-(-(y + height) // step) + 1, _STEPS)
        part = tile[top * cell : bottom * cell, left * cell : right * cell]
        size = ((right - left) * step, (bottom - top) * step)
        large = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
        x, y = x - left * step, y - top * step
        return np.asarray(large[y : y + height, x : x + width], np.uint8)

    def part_inside(self, frame: tuple[int, int], size: int) -> tuple[int, int, int, int]:
        """Of a tile of `size`, the left, top, right and bottom end of what lies in a frame of (width, height)."""
        x, y, width, height = self.inside(frame)
        scale = size / self.side
        left, top = int(np.ceil((x - self.x) * scale)), int(np.ceil((y - self.y) * scale))
        return left, top, int((x + width - self.x) * scale), int((y + height - self.y) * scale)

    def blank_outside(self, tile: np.ndarray, frame: tuple[int, int]) -> None:
        """Set what lies beyond the frame to 0 in a (size, size, C) tile, in place."""
        left, top, right, bottom = self.part_inside(frame, tile.shape[0])
        tile[:top] = 0
        tile[bottom:] = 0
        tile[:, :left] = 0
        tile[:, right:] = 0
