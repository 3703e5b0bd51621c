"""What is in front of a face: hands, hair, glasses, whatever else, as a map of the face's crop that follows it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from realtime.analysis.crop_net import CropNet
from realtime.frame import Face, Floats, Occlusion, Pixels
from realtime.geometry.crops import face_crop

# A map settles within this time where it wavers; where it changes much it changes at once, for hands are quick. What
# comes before the face counts so many times: a fingertip painted over is seen sooner than a trace of skin behind it.
_SETTLE_S = 0.08
_COMING = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class _Memory:
    """The map of one face, (S, S) float32 in 0..1, as it was at a media time in seconds."""

    covered: Floats
    time_s: float


class OcclusionNet:
    """Gives the faces of consecutive frames their map of what covers them; calls `occlusion.onnx`.

    Args:
        look: runs that network.
    """

    def __init__(self, look: CropNet) -> None:
        self._look = look
        self._memories: dict[int, _Memory] = {}

    def __call__(self, pixels: Pixels, faces: tuple[Face, ...], time_s: float) -> tuple[Face, ...]:
        """The faces with `occlusion` set, those that are lost aside.

        Args:
            pixels: (H, W, 3) RGB, the frame they were found in.
            faces: all of them: what is remembered of others ends.
            time_s: media time.
        """
        crops = {face.id: face_crop(face.points, self._look.size) for face in faces if not face.lost}
        answers = self._look(pixels, list(crops.values())) if crops else ()
        maps = {
            number: self._followed(number, answer[0], time_s) for number, answer in zip(crops, answers, strict=True)
        }
        here = {face.id for face in faces}
        self._memories = {number: memory for number, memory in self._memories.items() if number in here}
        found = {n: Occlusion(np.round(255 * covered).astype(np.uint8), crops[n].matrix) for n, covered in maps.items()}
        return tuple(replace(face, occlusion=found.get(face.id)) for face in faces)

    def forget(self) -> None:
        """The next frame has nothing to do with the last one."""
        self._memories.clear()

    def _followed(self, number: int, now: Floats, time_s: float) -> Floats:
        """The map of now, its wavering averaged out."""
        last = self._memories.get(number)
        covered = now.copy()
        if last is not None:
            change = now - last.covered
            share = 1 - np.exp(-max(time_s - last.time_s, 0.0) / _SETTLE_S)
            much = np.minimum(np.maximum(_COMING * change, -change), 1)
            covered = (last.covered + np.maximum(much, share) * change).astype(np.float32)
        self._memories[number] = _Memory(covered, time_s)
        return covered
