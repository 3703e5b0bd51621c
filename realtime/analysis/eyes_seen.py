"""Whether lenses hide the eyes: dark glasses, mirrored ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from realtime.analysis.crop_net import FaceNet
from realtime.frame import Face
from realtime.geometry.crops import Crop, eyes_crop


class EyesNet(FaceNet):
    """Gives faces `Face.eyes_seen`; calls `eyes_seen.onnx`."""

    def _crop(self, face: Face) -> Crop:
        return eyes_crop(face.points, self._look.size)

    def _seen(self, face: Face, crop: Crop, answer: np.ndarray) -> Face:
        return replace(face, eyes_seen=float(answer[0, 0, 0]))
