"""How frame.cu, faces.cu and picture.cu are started. Never run on a GPU so far: see docs/gpu.md."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from engines.kernels import CudaSource, KernelModule
from engines.runtime.base import DeviceArray
from realtime.geometry.topology import KEYPOINTS
from realtime.gpu.sources import FACES, FRAME, PICTURE

# the struct of frame.cu
CUT = np.dtype(
    [("matrix", "<f4", 6), ("picture", "<u8"), ("out", "<u8")]
    + [(name, "<i4") for name in ("width", "height", "size", "planes")]
)

# the structs of faces.cu
_STATE = [(name, "<f4", (KEYPOINTS, 2)) for name in ("points", "motion", "change")]
SEEN = np.dtype(
    [
        ("seen", "<f4", (KEYPOINTS, 2)),
        *_STATE,
        ("confidence", "<f4", KEYPOINTS),
        ("side", "<f4"),
        ("depth", "<f4", KEYPOINTS),
        ("rotation", "<f4", (3, 3)),
    ]
)
MEMORY = np.dtype(
    [("after", "<u8"), ("back", "<f4", 6), ("step_s", "<f4"), ("what", "<i4"), *_STATE, ("depth", "<f4", KEYPOINTS)],
    align=True,
)

# the struct of picture.cu
TILE = np.dtype(
    [(name, "<u8") for name in ("picture", "belief", "planes", "repaired", "before", "now", "change", "large", "flags")]
    + [(name, "<i4") for name in ("width", "height", "x", "y", "side")]
    + [("ends", "<i4", 4), ("place", "<i4", 4), ("back", "<f4", 6), ("share", "<f4"), ("strength", "<f4")],
    align=True,
)

_THREADS = 256
_ADDING = 128  # blocks that add a correction of any size


class Kernels:
    """Those of one source, loaded on the first GPU; all of them are started on one stream.

    Args:
        source: what was compiled.
        fatbin: the compiled file; by default the one in the cache.
        beside: whose stream it is; None makes one.

    Attributes:
        stream: the stream as a CUDA handle, for copies and networks in between.

    Raises:
        EngineError: pycuda, the driver, the GPU or the compiled file is missing or does not fit.
    """

    def __init__(self, source: CudaSource, fatbin: Path | None = None, beside: Kernels | None = None) -> None:
        self._module = KernelModule(source, fatbin=fatbin)
        self._stream: Any = self._module.stream() if beside is None else beside._stream
        self.stream = int(self._stream.handle)

    def watch(self, stage: str) -> AbstractContextManager[None]:
        """Entered round each stage on the stream; `bench gpu` puts its clock here."""
        return nullcontext()

    def _start(self, doing: str, kernel: Any, blocks: tuple[int, int], threads: int, *arguments: Any) -> None:
        with self.watch(doing), self._module.active(doing):
            kernel.prepared_async_call(blocks, (threads, 1, 1), self._stream, *arguments)

    def _start_for_all(self, doing: str, kernel: Any, pixels: int, *arguments: Any) -> None:
        """A thread for each pixel."""
        self._start(doing, kernel, (-(-pixels // _THREADS), 1), _THREADS, *arguments)


class FrameKernels(Kernels):
    """Of crops; arguments and errors as in `Kernels`."""

    def __init__(self, fatbin: Path | None = None) -> None:
        super().__init__(FRAME, fatbin)
        self._cut = self._module.function("cut", "P")
        self._brighten = self._module.function("brighten", "Pi")

    def cut(self, cuts: DeviceArray, size: int) -> None:
        """Start cutting crops.

        Args:
            cuts: (N,) of CUT, at most `size` wide each; each says of which picture.
            size: pixels.
        """
        blocks = (-(-size * size // _THREADS), cuts.shape[0])
        self._start("cut crops", self._cut, blocks, _THREADS, cuts.pointer)

    def brighten(self, crops: DeviceArray) -> None:
        """Start making (N, 1, S, S) float32 grey crops brighter where they are dark, in place."""
        count, _, size, _ = crops.shape
        self._start("brighten crops", self._brighten, (count, 1), _THREADS, crops.pointer, size)


class FaceKernels(Kernels):
    """Of known faces, started on the stream of others; arguments and errors as in `Kernels`."""

    def __init__(self, beside: Kernels, fatbin: Path | None = None) -> None:
        super().__init__(FACES, fatbin, beside)
        self._follow = self._module.function("follow", "PPPPPPP")
        self._lift = self._module.function("lift", "PPP")

    def follow(
        self,
        found: tuple[DeviceArray, DeviceArray],
        fixed: tuple[DeviceArray, DeviceArray],
        before: DeviceArray,
        boxed: tuple[DeviceArray, ...],
    ) -> None:
        """Start placing, filtering and boxing the points of N faces.

        Args:
            found: (N, 81, 2) crop pixels and (N, 81) confidence, from the landmark network.
            fixed: (81,) rigidity and gain of each point.
            before: (N,) of MEMORY; each says where what comes after is written, a SEEN.
            boxed: DepthNet's two inputs, (N, 68, 2), to be written.
        """
        pointers = [array.pointer for array in (*found, *fixed, before, *boxed)]
        self._start("follow faces", self._follow, (before.shape[0], 1), 32, *pointers)

    def lift(self, before: DeviceArray, relative: DeviceArray, mean_face: DeviceArray) -> None:
        """Start giving depth and turn to N faces that were followed.

        Args:
            before: as in `follow`.
            relative: (N, 68) from DepthNet.
            mean_face: (81, 4), from the weighted mean of what counts in the fit: x, y, z, and the share of each point.
        """
        pointers = (before.pointer, relative.pointer, mean_face.pointer)
        self._start("lift faces", self._lift, (before.shape[0], 1), 32, *pointers)


class PictureKernels(Kernels):
    """Of the drawing; arguments and errors as in `Kernels`. Pictures are (H, W, 4) uint8 where nothing else is said."""

    def __init__(self, fatbin: Path | None = None) -> None:
        super().__init__(PICTURE, fatbin)
        self._unpack = self._module.function("unpack", "PPi")
        self._pack = self._module.function("pack", "PPi")
        self._show, self._steady, self._change = (
            self._module.function(name, "Pi") for name in ("show", "steady", "change")
        )
        self._enlarge, self._add = (self._module.function(name, "Pii") for name in ("enlarge", "add"))

    def unpack(self, rgb: DeviceArray, picture: DeviceArray) -> None:
        """Start making (H, W, 3) a picture, opaque."""
        pixels = rgb.shape[0] * rgb.shape[1]
        self._start_for_all("unpack a frame", self._unpack, pixels, rgb.pointer, picture.pointer, pixels)

    def pack(self, picture: DeviceArray, rgb: DeviceArray) -> None:
        """Start making (H, W, 3) of a picture."""
        pixels = rgb.shape[0] * rgb.shape[1]
        self._start_for_all("pack a frame", self._pack, pixels, picture.pointer, rgb.pointer, pixels)

    def show(self, tiles: DeviceArray, size: int) -> None:
        """Start making what a repair network is shown, 5 planes of `size` for each of (N,) TILE."""
        self._start_for_tiles("read tiles", self._show, tiles, size, size)

    def steady(self, tiles: DeviceArray, size: int) -> None:
        """Start making the running means of corrections."""
        self._start_for_tiles("steady corrections", self._steady, tiles, size, size)

    def change(self, tiles: DeviceArray, size: int) -> None:
        """Start making the corrections themselves, under their masks, from the means."""
        self._start_for_tiles("mask corrections", self._change, tiles, size, size)

    def enlarge(self, tiles: DeviceArray, size: int, times: int) -> None:
        """Start making corrections `times` as large, an odd number, smoothly."""
        self._start_for_tiles("enlarge corrections", self._enlarge, tiles, times * size, size, times)

    def add(self, tiles: DeviceArray, size: int) -> None:
        """Start adding corrections, enlarged to `size`, to the picture, one after the other."""
        for which in range(tiles.shape[0]):
            self._start("add corrections", self._add, (_ADDING, 1), _THREADS, tiles.pointer, which, size)

    def _start_for_tiles(self, doing: str, kernel: Any, tiles: DeviceArray, side: int, *arguments: int) -> None:
        """A thread for each pixel of a square of each tile."""
        blocks = (-(-side * side // _THREADS), tiles.shape[0])
        self._start(doing, kernel, blocks, _THREADS, tiles.pointer, *arguments)
