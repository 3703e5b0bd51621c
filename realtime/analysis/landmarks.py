"""The landmark network as the live loop uses it: crops in, keypoints in frame pixels out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engines import Engine
from realtime.frame import Floats, Pixels
from realtime.geometry.crops import Crop
from realtime.geometry.topology import KEYPOINTS

CROP = 112  # side of the network's input in pixels
# Crops whose light parts are darker than this grey are brightened to it, by no more than the gain: at 15 % of their
# brightness the held-out photos' error was 4.0 % instead of 3.6, and closed eyes passed for half open.
LIGHT, MOST_GAIN = 190.0, 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """What the network says about B crops.

    Attributes:
        points: (B, 81, 2) float32 frame pixels.
        confidence: (B, 81) float32 in [0, 1]; falls with the error to expect: 0.5 stands for 3 crop pixels, about a
            fourteenth of the eye distance.
        score: (B,) float32 in [0, 1], how surely the crop shows a face in about the right place.
    """

    points: Floats
    confidence: Floats
    score: Floats


class LandmarkNet:
    """Calls `landmarks.onnx` on crops of a picture; all crops go through the network in one batch.

    Args:
        engine: `engines.load("landmarks")`.

    Attributes:
        precision: the number type the engine computes in.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.precision = engine.precision

    def __call__(self, pixels: Pixels, crops: Sequence[Crop]) -> Landmarks:
        """Keypoints of the faces in `crops` (112 pixels each) of the (H, W, 3) RGB picture `pixels`."""
        if not crops:
            return Landmarks(*(np.zeros(shape, np.float32) for shape in ((0, KEYPOINTS, 2), (0, KEYPOINTS), (0,))))
        greys = [crop.cut(pixels, grey=True) for crop in crops]
        points, confidence, score = self._engine(np.stack([brightened(grey) for grey in greys])[:, None])
        placed = np.stack([crop.back(found) for crop, found in zip(crops, points, strict=True)])
        return Landmarks(placed.astype(np.float32), confidence.copy(), score.copy())


def brightened(grey: np.ndarray) -> Floats:
    """(S, S) float32 crop of uint8, brighter where it is dark."""
    light = float(np.percentile(grey[::4, ::4], 95))
    gain = min(max(LIGHT / max(light, 1.0), 1.0), MOST_GAIN)
    brightened: Floats = np.minimum(grey.astype(np.float32) * np.float32(gain), np.float32(255))
    return brightened
