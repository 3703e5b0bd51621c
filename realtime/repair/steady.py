"""What a repair corrects, steadied from frame to frame: a network that sees each frame anew answers to noise, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from realtime.frame import Floats
from realtime.repair.tile import Square

_MEMORY_S = 0.3  # as long as light and tone of the live face are averaged (`realtime.effects.relight`)


@dataclass(frozen=True, slots=True, eq=False)
class Steadied:
    """The running correction of one face: a mean of those of the last frames, moved along with the head.

    It is a correction of this frame, by what is known of the head's light, its tone and its seam; of the frames before
    no pixel is kept.

    Attributes:
        weighted: (size, size, 4) float32, the mean of what networks changed, in the measure of their masks, and of the
            masks.
        places: (F, 2) pixels of the tile, where the face was drawn.
        time_s: of the frame.
    """

    weighted: Floats
    places: Floats
    time_s: float

    @classmethod
    def of(
        cls, correction: Floats, mask: Floats, square: Square, points: Floats, time_s: float, before: Self | None = None
    ) -> Self:
        """Take in the correction of a frame.

        Args:
            correction: (3, size, size) float32, what the network changed, in the measure of the mask.
            mask: (size, size) float32, in what measure it may.
            square: of the frame, that the tile shows.
            points: (F, 2) finite pixels of the frame, where the face is drawn.
            time_s: of the frame.
            before: of this face in the frame before; None starts anew, and so does another size of tile.
        """
        places = square.into(points, len(mask))
        weighted = np.dstack([*correction, mask])
        if before is None or before.weighted.shape != weighted.shape:
            return cls(weighted, places, time_s)
        share = np.float32(share_of(time_s - before.time_s))
        known = before._moved(places)
        return cls(known + share * (weighted - known), places, time_s)

    @property
    def correction(self) -> Floats:
        """(3, size, size) float32, what is to be changed where the mask is 1; about 0 where no mask was."""
        weight = self.weighted[..., 3:]
        mean = self.weighted[..., :3] / np.maximum(weight, 1e-3)
        return np.ascontiguousarray(mean.transpose(2, 0, 1))

    def _moved(self, places: Floats) -> Floats:
        """What is known, moved to where the face is drawn now."""
        back = moving_back(places, self.places)
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(self.weighted, back, self.weighted.shape[1::-1], flags=how), np.float32)


def share_of(step_s: float) -> float:
    """Of what is new after a step in time, how much the running mean takes in."""
    return float(1 - np.exp(-max(step_s, 0.0) / _MEMORY_S))


def moving_back(places: Floats, before: Floats) -> np.ndarray:
    """(2, 3) the affine map that fits best from (F, 2) places to those before."""
    here = np.column_stack([places, np.ones(len(places))])
    return np.asarray(np.linalg.lstsq(here, before, rcond=None)[0].T)
