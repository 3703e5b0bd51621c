"""The networks of the analysis on an NVIDIA GPU, known faces and what covers them by frames that are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

import engines
from engines import DeviceEngine, EngineError
from engines.runtime import cuda
from engines.runtime.cuda import Memory
from realtime.analysis.detector import Detector
from realtime.analysis.landmarks import CROP, LandmarkNet
from realtime.analysis.lift import lifted
from realtime.analysis.networks import CANDIDATE, Networks
from realtime.analysis.occlusion import OcclusionNet
from realtime.analysis.tracker import Track, Tracker
from realtime.frame import Floats, Pixels
from realtime.geometry.crops import Crop
from realtime.gpu.following import AheadFilter, Exchange, Follower, write_cuts
from realtime.gpu.kernels import CUT, FrameKernels
from realtime.gpu.pictures import Pictures


@dataclass(frozen=True, slots=True)
class DeviceNetworks(Networks):
    """Known faces are followed by the GPU alone; new ones, which are rare, are looked for as on the CPU."""

    follower: Follower

    @classmethod
    def on(cls, runtime: str, kernels: FrameKernels, pictures: Pictures) -> Self:
        """The deployed networks on `runtime`, "torch" or "tensorrt"; EngineError where one or the GPU is missing."""
        detector, landmarks, depthnet = (_load(name, runtime) for name in ("detector", "landmarks", "depthnet"))
        follower = Follower(landmarks, depthnet, kernels, pictures)
        return cls(Detector(detector, CANDIDATE), LandmarkNet(landmarks), depthnet, follower)

    def new_filter(self) -> AheadFilter:
        return AheadFilter()

    def follow(self, tracker: Tracker, pixels: Pixels, time_s: float) -> None:
        if crops := tracker.crops(CROP):
            tracker.follow(self.follower(pixels, tracker.known, crops, time_s))

    def lift(self, tracks: Sequence[Track]) -> None:
        new = []
        for track in tracks:
            if isinstance(track.smoothing, AheadFilter) and track.smoothing.relative is not None:
                (track.depth,), (track.pose,) = lifted(track.points[None], track.smoothing.relative[None])
            else:
                new.append(track)
        if new:
            super(DeviceNetworks, self).lift(new)  # the class is made anew by its slots


class DeviceOcclusion(OcclusionNet):
    """Crops are cut from the frame on the GPU; only the maps come back."""

    def __init__(self, engine: DeviceEngine, kernels: FrameKernels, pictures: Pictures) -> None:
        super().__init__(engine)
        self._on_device, self._kernels, self._pictures = engine, kernels, pictures
        self._memory = Memory()
        self._cuts = Exchange(self._memory, CUT)

    @classmethod
    def on(cls, runtime: str, kernels: FrameKernels, pictures: Pictures) -> Self:
        """The deployed network on `runtime`, as in `DeviceNetworks.on`."""
        return cls(_load("occlusion", runtime), kernels, pictures)

    def _answers(self, pixels: Pixels, crops: list[Crop]) -> Floats:
        if not crops:
            return super()._answers(pixels, crops)
        stream, engine = self._kernels.stream, self._on_device
        picture = self._pictures(pixels, stream)
        write_cuts(self._cuts.here[: len(crops)], crops, engine.device(len(crops)).inputs[0])
        self._kernels.cut(picture, self._cuts.send(len(crops), stream), crops[0].size)
        with self._kernels.watch("occlusion"):
            engine.launch(stream)
        with self._kernels.watch("fetch maps"):
            engine.fetch(stream)
        cuda.wait(stream)
        return np.asarray(engine.bind(len(crops)).outputs[0][:, 0])


def _load(name: str, runtime: str) -> DeviceEngine:
    engine = engines.load(name, runtime)
    if not isinstance(engine, DeviceEngine):
        raise EngineError(f"The runtime '{runtime}' computes on no GPU: take --runtime torch or tensorrt.")
    return engine
