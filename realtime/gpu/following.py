"""Known faces, from the frame to their depth, without leaving the GPU: crop, landmarks, One-Euro filter, DepthNet.

The host learns the outcome in one go at the end, and then judges it as on the CPU: whether that is still a face
(`Tracker`). So the filter runs ahead; what it says is taken only where the judgement is favourable (`AheadFilter`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engines import MAX_BATCH, DeviceEngine
from engines.runtime import cuda
from engines.runtime.base import Array, DeviceArray
from engines.runtime.cuda import Memory
from realtime.analysis.landmarks import Landmarks
from realtime.analysis.one_euro import FaceFilter
from realtime.analysis.pose import RIGIDITY
from realtime.analysis.tracker import Track
from realtime.frame import Floats, Pixels
from realtime.geometry.crops import Crop
from realtime.geometry.topology import KEYPOINTS
from realtime.gpu.kernels import CUT, MEMORY, SEEN, FrameKernels
from realtime.gpu.pictures import Pictures

_AS_SEEN, _FILTERED, _AGAIN = range(3)  # Memory.what in frame.cu


class AheadFilter(FaceFilter):
    """A face's filter whose next step was worked out before anybody asked for it.

    Attributes:
        relative: (68,) what DepthNet says of the points given last, see `lift.lifted`; None where it was not asked.
    """

    def __init__(self) -> None:
        super().__init__()
        self.relative: Floats | None = None
        self._ahead: tuple[float, np.void, Floats] | None = None

    def write(self, row: np.void, time_s: float, depth: Floats | None) -> None:
        """What the GPU needs for the step to `time_s`: a row of MEMORY, its `back` aside. `depth` as in `__call__`."""
        step = np.inf if self._time is None else time_s - self._time
        fresh = step > self._strength.gap_s
        row["what"] = _AS_SEEN if fresh else _FILTERED if step > 0 else _AGAIN
        row["step_s"] = 0 if fresh else step
        row["points"], row["motion"], row["change"] = self._points, self._motion, self._change
        row["depth"] = 0 if depth is None else depth

    def offer(self, time_s: float, row: np.void, relative: Floats) -> None:
        """The outcome: a row of SEEN, and `relative`, for the points filtered at `time_s`."""
        self._ahead = (time_s, row, relative)

    def reset(self) -> None:
        super().reset()
        self._ahead = None

    def __call__(self, points: Floats, confidence: Floats, time_s: float, depth: Floats | None = None) -> Floats:
        self.relative = None
        if self._ahead is None or self._ahead[0] != time_s:
            return super().__call__(points, confidence, time_s, depth)
        _, row, self.relative = self._ahead
        self._ahead, self._time = None, time_s
        self._points, self._motion, self._change = (
            row[name].astype(np.float64) for name in ("points", "motion", "change")
        )
        return self._points.astype(np.float32)


class Follower:
    """The chain, on memory of its own; used by one thread at a time.

    Args:
        landmarks, depthnet: `engines.load` of them.
        kernels: loaded.
        pictures: where frames are.
    """

    def __init__(
        self, landmarks: DeviceEngine, depthnet: DeviceEngine, kernels: FrameKernels, pictures: Pictures
    ) -> None:
        self._landmarks, self._depthnet = landmarks, depthnet
        self._kernels, self._pictures = kernels, pictures
        self._memory = Memory()
        self._cuts = Exchange(self._memory, CUT)
        self._before = Exchange(self._memory, MEMORY)
        self._after = Exchange(self._memory, SEEN)
        fixed = Exchange(self._memory, np.dtype(np.float32), 2 * KEYPOINTS)
        fixed.here[:] = np.concatenate([RIGIDITY, FaceFilter().gains])
        fixed.send(2 * KEYPOINTS, kernels.stream)
        cuda.wait(kernels.stream)
        rigidity = DeviceArray(fixed.there.pointer, (KEYPOINTS,), fixed.there.dtype)
        self._fixed = rigidity, DeviceArray(rigidity.pointer + rigidity.nbytes, (KEYPOINTS,), rigidity.dtype)

    def __call__(self, pixels: Pixels, tracks: Sequence[Track], crops: Sequence[Crop], time_s: float) -> Landmarks:
        """What the landmark network sees in the tracks' crops (one each, at least one and at most 16); their filters,
        of `AheadFilter`, are offered the points smoothed, with what DepthNet says of these.

        Raises:
            EngineError: the GPU fails.
        """
        count, stream = len(tracks), self._kernels.stream
        watch = self._kernels.watch
        with watch("send the frame"):
            picture = self._pictures(pixels, stream)
        landmarks, depthnet = self._landmarks.device(count), self._depthnet.device(count)
        write_cuts(self._cuts.here[:count], crops, landmarks.inputs[0])
        for row, track, crop in zip(self._before.here, tracks, crops, strict=False):
            assert isinstance(track.smoothing, AheadFilter)
            track.smoothing.write(row, time_s, track.depth)
            row["back"] = crop.back_matrix.ravel()
        cuts, before = self._cuts.send(count, stream), self._before.send(count, stream)
        self._kernels.cut(picture, cuts, crops[0].size)
        self._kernels.brighten(landmarks.inputs[0])
        with watch("landmarks"):
            self._landmarks.launch(stream)
        found = landmarks.outputs[0], landmarks.outputs[1]
        self._kernels.follow(found, self._fixed, before, self._after.part(count), depthnet.inputs)
        with watch("depthnet"):
            self._depthnet.launch(stream)
        with watch("fetch faces"):
            self._landmarks.fetch(stream)
            self._depthnet.fetch(stream)
            self._after.fetch(count, stream)
        cuda.wait(stream)
        _, confidence, score = (output.copy() for output in self._landmarks.bind(count).outputs)
        (relative,) = (output.copy() for output in self._depthnet.bind(count).outputs)
        after = self._after.here[:count].copy()
        for track, row, depth in zip(tracks, after, relative, strict=True):
            assert isinstance(track.smoothing, AheadFilter)
            track.smoothing.offer(time_s, row, depth)
        return Landmarks(after["seen"], confidence, score)


class Exchange:
    """Rows of one kind in page-locked memory (`here`) and on the GPU (`there`)."""

    def __init__(self, memory: Memory, kind: np.dtype[np.generic], count: int = MAX_BATCH) -> None:
        self.here: Array = memory.pinned((count,), kind)
        self.there = memory.device((count,), kind)

    def part(self, count: int) -> DeviceArray:
        """The first rows on the GPU."""
        return DeviceArray(self.there.pointer, (count,), self.there.dtype)

    def send(self, count: int, stream: int) -> DeviceArray:
        """Start sending the first rows; where they will be."""
        cuda.upload(self.here, self.part(count), stream)
        return self.part(count)

    def fetch(self, count: int, stream: int) -> None:
        """Start fetching the first rows."""
        cuda.download(self.part(count), self.here, stream)


def write_cuts(rows: Array, crops: Sequence[Crop], out: DeviceArray) -> None:
    """Rows of CUT for crops that go into `out`, (N, planes, size, size) float32, one after the other."""
    _, planes, size, _ = out.shape
    for place, (row, crop) in enumerate(zip(rows, crops, strict=True)):
        row["matrix"] = crop.matrix.ravel()
        row["out"] = out.item(place).pointer
        row["size"], row["planes"] = size, planes
