"""What is in front of a live face stays in front of the drawn one."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.frame import Face, Occlusion, Pixels
from realtime.geometry.mesh import OUTLINE
from realtime.render import gl
from realtime.render.surface import Cover

# The live picture begins to show where the network is so sure of a cover, and shows alone where it is so sure.
_SHOWS = (0.3, 0.6)
_OPACITY = np.interp(np.arange(256) / 255, _SHOWS, (0, 255)).round().astype(np.uint8)


class Covered:
    """The texture of what is in front of one live face."""

    def __init__(self) -> None:
        self._texture: gl.Texture | None = None

    def __call__(self, occlusion: Occlusion | None) -> Cover | None:
        """For `Warp.cover`; None where nothing is in front. It holds until the next call."""
        if occlusion is None:
            return None
        opacity = shows(occlusion)
        if not opacity.any():
            return None
        size = (opacity.shape[1], opacity.shape[0])
        if self._texture is None or self._texture.size != size:
            self.release()
            self._texture = gl.Texture(size)
        self._texture.upload(cv2.cvtColor(opacity, cv2.COLOR_GRAY2RGBA))
        return Cover(self._texture, occlusion.matrix, opacity)

    def release(self) -> None:
        """Release the texture; may be called more than once."""
        if self._texture is not None:
            self._texture.release()
            self._texture = None


def shows(occlusion: Occlusion) -> Pixels:
    """(S, S) uint8, how far the live picture shows at each place of the map: 255 hides what is drawn."""
    return np.asarray(cv2.LUT(occlusion.covered, _OPACITY), np.uint8)


def covered_share(face: Face) -> float:
    """How much of a face is behind something, in [0, 1]; 0 where nobody looked."""
    if face.occlusion is None:
        return 0.0
    outline = face.points[OUTLINE] @ face.occlusion.matrix[:, :2].T + face.occlusion.matrix[:, 2]
    inside = np.zeros(face.occlusion.covered.shape, np.uint8)
    cv2.fillPoly(inside, [np.round(outline).astype(np.int32)], 1)
    return float(cv2.mean(shows(face.occlusion), inside)[0]) / 255
