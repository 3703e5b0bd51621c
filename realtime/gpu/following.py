"""Known faces, from the frame to their depth, without leaving the GPU: crop, landmarks, filter, DepthNet, lift.

The host learns the outcome in one go at the end, and then judges it as on the CPU: whether that is still a face
(`Tracker`). So the filter runs ahead; what it says is taken only where the judgement is favourable (`AheadFilter`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from engines import MAX_BATCH, DeviceEngine
from engines.runtime import cuda
from engines.runtime.base import Array, DeviceArray
from engines.runtime.cuda import Memory
from realtime.analysis.landmarks import Landmarks
from realtime.analysis.one_euro import FaceFilter
from realtime.analysis.pose import RIGIDITY, SKULL, pose_of
from realtime.analysis.tracker import Track
from realtime.frame import Floats, Pixels, Pose
from realtime.geometry.crops import Crop
from realtime.geometry.template import template
from realtime.geometry.topology import KEYPOINTS, LANDMARKS
from realtime.gpu.chain import Chain, MakeChain
from realtime.gpu.kernels import CUT, MEMORY, SEEN, FaceKernels, FrameKernels
from realtime.gpu.pictures import Pictures
from realtime.gpu.twins import Lease, Pool, Twins

_AS_SEEN, _FILTERED, _AGAIN = range(3)  # Memory.what in faces.cu

# a row of SEEN on the GPU, and the lease of the room it is in
Place: TypeAlias = "tuple[DeviceArray, Lease[Exchange]]"


class AheadFilter(FaceFilter):
    """A face's filter whose next step was worked out before anybody asked for it.

    Args:
        note: told the points given out, then their depth, and where the GPU has them.

    Attributes:
        lifted: (81,) depth of the points given last and the head's pose, as `lift.lifted`; None where nobody lifted
            them.
    """

    def __init__(self, note: Callable[[Floats, Place], None] = lambda array, place: None) -> None:
        super().__init__()
        self.lifted: tuple[Floats, Pose] | None = None
        self._note = note
        self._ahead: tuple[float, np.void, Place] | None = None

    def write(self, row: np.void, time_s: float, depth: Floats | None) -> None:
        """What the GPU needs for the step to `time_s`: a row of MEMORY, but for places. `depth` as in `__call__`."""
        step = np.inf if self._time is None else time_s - self._time
        fresh = step > self._strength.gap_s
        row["what"] = _AS_SEEN if fresh else _FILTERED if step > 0 else _AGAIN
        row["step_s"] = 0 if fresh else step
        row["points"], row["motion"], row["change"] = self._points, self._motion, self._change
        row["depth"] = 0 if depth is None else depth

    def offer(self, time_s: float, row: np.void, place: Place) -> None:
        """The outcome: a row of SEEN for the points filtered at `time_s`, and where the GPU has it."""
        self._ahead = (time_s, row, place)

    def reset(self) -> None:
        super().reset()
        self._ahead = None

    def __call__(self, points: Floats, confidence: Floats, time_s: float, depth: Floats | None = None) -> Floats:
        self.lifted = None
        if self._ahead is None or self._ahead[0] != time_s:
            return super().__call__(points, confidence, time_s, depth)
        _, row, place = self._ahead
        self._ahead, self._time = None, time_s
        self._points, self._motion, self._change = (
            row[name].astype(np.float64) for name in ("points", "motion", "change")
        )
        given = self._points.astype(np.float32)
        self.lifted = row["depth"].copy(), pose_of(row["rotation"])
        self._note(given, place)
        self._note(self.lifted[0], place)
        return given


class Follower:
    """The chain, on memory of its own; used by one thread at a time. From the second time on that it follows so many
    faces, it is one CUDA graph.

    Args:
        landmarks, depthnet: `engines.load` of them.
        kernels, of_faces: loaded, on one stream.
        pictures: where frames are.
        faces: learns where the points are that filters give out, and their depth.
        chained: makes the chain.
    """

    def __init__(
        self,
        landmarks: DeviceEngine,
        depthnet: DeviceEngine,
        kernels: FrameKernels,
        of_faces: FaceKernels,
        pictures: Pictures,
        faces: Twins,
        chained: MakeChain = Chain,
    ) -> None:
        self._landmarks, self._depthnet = landmarks, depthnet
        self._kernels, self._of_faces, self._pictures, self._faces = kernels, of_faces, pictures, faces
        self._memory = Memory()
        self._cuts = Exchange(self._memory, CUT)
        self._before = Exchange(self._memory, MEMORY)
        self._rooms = Pool(lambda: Exchange(Memory(), SEEN))
        self._chain = chained(self._work, landmarks.record, kernels, "analyse faces")
        self._rigidity, self._gains, self._mean_face = (
            sent(self._memory, array.astype(np.float32), kernels.stream)
            for array in (RIGIDITY, FaceFilter().gains, mean_face())
        )

    def new_filter(self) -> AheadFilter:
        """For a face it is to follow."""
        return AheadFilter(self._given)

    def __call__(self, pixels: Pixels, tracks: Sequence[Track], crops: Sequence[Crop], time_s: float) -> Landmarks:
        """What the landmark network sees in the tracks' crops (one each, at least one and at most 16); their filters,
        of `new_filter`, are offered the points smoothed and lifted.

        Raises:
            EngineError: the GPU fails.
        """
        count, stream = len(tracks), self._kernels.stream
        lease = self._rooms.lend()
        after = lease.room
        with self._kernels.watch("send the frame"):
            picture = self._pictures(pixels, stream)
        write_cuts(self._cuts.here[:count], crops, self._landmarks.device(count).inputs[0], picture)
        for place, (row, track, crop) in enumerate(zip(self._before.here, tracks, crops, strict=False)):
            assert isinstance(track.smoothing, AheadFilter)
            track.smoothing.write(row, time_s, track.depth)
            row["back"], row["after"] = crop.back_matrix.ravel(), after.there.item(place).pointer
        self._chain(count)
        with self._kernels.watch("fetch faces"):
            after.fetch(count, stream)
        cuda.wait(stream)
        confidence, score = (output.copy() for output in self._landmarks.bind(count).outputs[1:])
        seen = after.here[:count].copy()
        for place, (track, row) in enumerate(zip(tracks, seen, strict=True)):
            assert isinstance(track.smoothing, AheadFilter)
            track.smoothing.offer(time_s, row, (after.there.item(place), lease))
        return Landmarks(seen["seen"], confidence, score)

    def _work(self, count: int, stream: int) -> None:
        """From the frame to lifted faces, for those whose rows are written; the host is told of the landmarks."""
        watch = self._kernels.watch
        landmarks, depthnet = self._landmarks.device(count), self._depthnet.device(count)
        crops, *found = landmarks.inputs[0], *landmarks.outputs[:2]
        cuts, before = self._cuts.send(count, stream), self._before.send(count, stream)
        self._kernels.cut(cuts, crops.shape[2])
        self._kernels.brighten(crops)
        with watch("landmarks"):
            self._landmarks.enqueue(stream)
        self._of_faces.follow((found[0], found[1]), (self._rigidity, self._gains), before, depthnet.inputs)
        with watch("depthnet"):
            self._depthnet.enqueue(stream)
        self._of_faces.lift(before, depthnet.outputs[0], self._mean_face)
        self._landmarks.fetch(stream)

    def _given(self, array: Floats, place: Place) -> None:
        self._faces.note(array, *place)


class Exchange:
    """Rows of one kind, or of arrays of a shape, in page-locked memory (`here`) and on the GPU (`there`)."""

    def __init__(self, memory: Memory, kind: np.dtype[np.generic], count: int = MAX_BATCH, *row: int) -> None:
        self._memory = memory  # which lives as long as what is in it
        self.here: Array = memory.pinned((count, *row), kind)
        self.there = memory.device((count, *row), kind)

    def part(self, count: int) -> DeviceArray:
        """The first rows on the GPU."""
        return self.there.first(count)

    def send(self, count: int, stream: int) -> DeviceArray:
        """Start sending the first rows; where they will be."""
        cuda.upload(self.here, self.part(count), stream)
        return self.part(count)

    def fetch(self, count: int, stream: int) -> None:
        """Start fetching the first rows."""
        cuda.download(self.part(count), self.here, stream)


def sent(memory: Memory, array: Array, stream: int) -> DeviceArray:
    """A copy on the GPU, as long as `memory` lives."""
    here, there = Memory(), memory.device(array.shape, array.dtype)
    staging = here.pinned(array.shape, array.dtype)
    staging[...] = array
    cuda.upload(staging, there, stream)
    cuda.wait(stream)
    return there


def mean_face() -> Floats:
    """(81, 4) float32 for `FaceKernels.lift`: `fit_template`'s template and weights."""
    share = np.zeros(KEYPOINTS)
    share[:LANDMARKS] = SKULL / SKULL.sum()
    solid = template().astype(np.float64)
    return np.column_stack([solid - share @ solid, share]).astype(np.float32)


def write_cuts(rows: Array, crops: Sequence[Crop], out: DeviceArray, picture: DeviceArray) -> None:
    """Rows of CUT for crops of an (H, W, 3) `picture` that go into `out`, (N, planes, size, size) float32, in order."""
    _, planes, size, _ = out.shape
    for place, (row, crop) in enumerate(zip(rows, crops, strict=True)):
        row["matrix"] = crop.matrix.ravel()
        row["picture"], row["out"] = picture.pointer, out.item(place).pointer
        row["height"], row["width"], _ = picture.shape
        row["size"], row["planes"] = size, planes
