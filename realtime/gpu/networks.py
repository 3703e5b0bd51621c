"""The networks of the analysis on an NVIDIA GPU, known faces and what covers them by frames that are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from engines import DeviceEngine
from engines.runtime import cuda
from engines.runtime.base import Array
from engines.runtime.cuda import Memory
from realtime.analysis.crop_net import CropNet
from realtime.analysis.detector import Detector
from realtime.analysis.landmarks import CROP, LandmarkNet
from realtime.analysis.networks import CANDIDATE, Networks
from realtime.analysis.tracker import Track, Tracker
from realtime.frame import Pixels
from realtime.geometry.crops import Crop
from realtime.gpu.chain import Chain, MakeChain
from realtime.gpu.following import AheadFilter, Exchange, Follower, write_cuts
from realtime.gpu.kernels import CUT, FaceKernels, FrameKernels
from realtime.gpu.pictures import Pictures
from realtime.gpu.twins import Twins


@dataclass(frozen=True, slots=True)
class DeviceNetworks(Networks):
    """Known faces are followed by the GPU alone; new ones, which are rare, are looked for as on the CPU."""

    follower: Follower

    @classmethod
    def on(
        cls,
        load: Callable[[str], DeviceEngine],
        kernels: FrameKernels,
        of_faces: FaceKernels,
        pictures: Pictures,
        faces: Twins,
        chained: MakeChain = Chain,
    ) -> Self:
        """The deployed networks by `load`; EngineError where one or the GPU is missing. The rest as in `Follower`."""
        detector, landmarks, depthnet = (load(name) for name in ("detector", "landmarks", "depthnet"))
        follower = Follower(landmarks, depthnet, kernels, of_faces, pictures, faces, chained)
        return cls(Detector(detector, CANDIDATE), LandmarkNet(landmarks), depthnet, follower)

    def new_filter(self) -> AheadFilter:
        return self.follower.new_filter()

    def follow(self, tracker: Tracker, pixels: Pixels, time_s: float) -> None:
        if crops := tracker.crops(CROP):
            tracker.follow(self.follower(pixels, tracker.known, crops, time_s))

    def lift(self, tracks: Sequence[Track]) -> None:
        new = []
        for track in tracks:
            if isinstance(track.smoothing, AheadFilter) and track.smoothing.lifted is not None:
                track.depth, track.pose = track.smoothing.lifted
            else:
                new.append(track)
        if new:
            super(DeviceNetworks, self).lift(new)  # the class is made anew by its slots


class DeviceCropNet(CropNet):
    """Cuts from the frame on the GPU; only the answers come back.

    Args:
        engine: as in `CropNet`.
        kernels, pictures, chained: as in `Follower`.
        name: what it is called on the bench's clock.
    """

    def __init__(
        self,
        engine: DeviceEngine,
        kernels: FrameKernels,
        pictures: Pictures,
        name: str,
        chained: MakeChain = Chain,
    ) -> None:
        super().__init__(engine)
        self._on_device, self._kernels, self._pictures, self._name = engine, kernels, pictures, name
        self._memory = Memory()
        self._cuts = Exchange(self._memory, CUT)
        self._chain = chained(self._work, engine.record, kernels, name)

    def __call__(self, pixels: Pixels, crops: Sequence[Crop]) -> Array:
        count, stream = len(crops), self._kernels.stream
        picture = self._pictures(pixels, stream)
        write_cuts(self._cuts.here[:count], crops, self._on_device.device(count).inputs[0], picture)
        self._chain(count)
        cuda.wait(stream)
        return self._on_device.bind(count).outputs[0]

    def _work(self, count: int, stream: int) -> None:
        """From the frame to the answers on the host, for the crops whose rows are written."""
        self._on_device.device(count)
        self._kernels.cut(self._cuts.send(count, stream), self.size)
        with self._kernels.watch(self._name):
            self._on_device.enqueue(stream)
        with self._kernels.watch("fetch maps"):
            self._on_device.fetch(stream)
