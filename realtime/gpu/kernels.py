"""frame.cu, the constants it is compiled with, and how it is started. Never run on a GPU so far: see docs/gpu.md."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from engines.kernels import CudaSource, KernelModule
from engines.runtime.base import DeviceArray
from realtime.analysis.landmarks import LIGHT, MOST_GAIN
from realtime.analysis.one_euro import Strength
from realtime.geometry.box import BOX_SCALE
from realtime.geometry.topology import KEYPOINTS, LANDMARKS, LEFT_EYE, RIGHT_EYE

_STRENGTH = Strength()

FRAME = CudaSource(
    Path(__file__).with_name("frame.cu"),
    {
        "KEYPOINTS": KEYPOINTS,
        "LANDMARKS": LANDMARKS,
        "LEFT_EYE": int(LEFT_EYE[0]),
        "RIGHT_EYE": int(RIGHT_EYE[0]),
        "EYE": len(LEFT_EYE),
        "LIGHT": f"{LIGHT}f",
        "MOST_GAIN": f"{MOST_GAIN}f",
        "BOX_SCALE": f"{BOX_SCALE}f",
        "SURE": f"{_STRENGTH.sure}f",
        "SPEED_HZ": f"{_STRENGTH.speed_hz}f",
        "MOTION_HZ": f"{_STRENGTH.motion_hz}f",
        "MOTION_GAIN": f"{_STRENGTH.motion_gain}f",
        "SHAPE_HZ": f"{_STRENGTH.shape_hz}f",
    },
)

# the structs of frame.cu
CUT = np.dtype([("matrix", "<f4", 6), ("out", "<u8"), ("size", "<i4"), ("planes", "<i4")])
_STATE = [(name, "<f4", (KEYPOINTS, 2)) for name in ("points", "motion", "change")]
MEMORY = np.dtype([("back", "<f4", 6), ("step_s", "<f4"), ("what", "<i4"), *_STATE, ("depth", "<f4", KEYPOINTS)])
SEEN = np.dtype([("seen", "<f4", (KEYPOINTS, 2)), *_STATE])

_THREADS = 256


class FrameKernels:
    """The kernels, loaded on the first GPU; all of them are started on one stream.

    Attributes:
        stream: the stream as a CUDA handle, for copies and networks in between.
    """

    def __init__(self, fatbin: Path | None = None) -> None:
        """Load them; EngineError where pycuda, the driver, the GPU or the compiled file is missing or does not fit."""
        self._module = KernelModule(FRAME, fatbin=fatbin)
        self._cut = self._module.function("cut", "PiiP")
        self._brighten = self._module.function("brighten", "Pi")
        self._follow = self._module.function("follow", "PPPPPPPP")
        self._unpack = self._module.function("unpack", "PPi")
        self._pack = self._module.function("pack", "PPi")
        self._stream = self._module.stream()
        self.stream = int(self._stream.handle)

    def watch(self, stage: str) -> AbstractContextManager[None]:
        """Entered round each stage on the stream; `bench gpu` puts its clock here."""
        return nullcontext()

    def cut(self, picture: DeviceArray, cuts: DeviceArray, size: int) -> None:
        """Start cutting crops.

        Args:
            picture: (H, W, 3) uint8 RGB.
            cuts: (N,) of CUT, at most `size` wide each.
            size: pixels.
        """
        height, width, _ = picture.shape
        blocks = (-(-size * size // _THREADS), cuts.shape[0])
        self._start("cut crops", self._cut, blocks, _THREADS, picture.pointer, width, height, cuts.pointer)

    def brighten(self, crops: DeviceArray) -> None:
        """Start making (N, 1, S, S) float32 grey crops brighter where they are dark, in place."""
        count, _, size, _ = crops.shape
        self._start("brighten crops", self._brighten, (count, 1), _THREADS, crops.pointer, size)

    def follow(
        self,
        found: tuple[DeviceArray, DeviceArray],
        fixed: tuple[DeviceArray, DeviceArray],
        before: DeviceArray,
        after: DeviceArray,
        boxed: tuple[DeviceArray, ...],
    ) -> None:
        """Start placing, filtering and boxing the points of N faces.

        Args:
            found: (N, 81, 2) crop pixels and (N, 81) confidence, from the landmark network.
            fixed: (81,) rigidity and gain of each point.
            before: (N,) of MEMORY.
            after: (N,) of SEEN, to be written.
            boxed: DepthNet's two inputs, (N, 68, 2), to be written.
        """
        pointers = [array.pointer for array in (*found, *fixed, before, after, *boxed)]
        self._start("follow faces", self._follow, (before.shape[0], 1), 32, *pointers)

    def unpack(self, rgb: DeviceArray, rgba: DeviceArray) -> None:
        """Start turning (H, W, 3) uint8 into (H, W, 4), opaque."""
        self._repack("unpack a frame", self._unpack, rgb, rgba)

    def pack(self, rgba: DeviceArray, rgb: DeviceArray) -> None:
        """Start turning (H, W, 4) uint8 into (H, W, 3)."""
        self._repack("pack a frame", self._pack, rgba, rgb)

    def _repack(self, doing: str, kernel: Any, given: DeviceArray, wanted: DeviceArray) -> None:
        pixels = given.shape[0] * given.shape[1]
        self._start(doing, kernel, (-(-pixels // _THREADS), 1), _THREADS, given.pointer, wanted.pointer, pixels)

    def _start(self, doing: str, kernel: Any, blocks: tuple[int, int], threads: int, *arguments: Any) -> None:
        with self.watch(doing), self._module.active(doing):
            kernel.prepared_async_call(blocks, (threads, 1, 1), self._stream, *arguments)
