"""The least squares on an NVIDIA GPU, a warp per face: lstsq.cu through pycuda, on the device's primary context.

    affines = cuda.solve(points, targets)                                       # NumPy in, NumPy out
    cuda.solver().launch(points, targets, None, 0.0, affines, stream=stream)    # stays on the GPU

The primary context is the one torch and TensorRT use: their memory and streams need no copies. Single precision.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError
from engines.kernels import KernelModule
from engines.lstsq.kernel import LSTSQ, MAX_POINTS, WARPS
from engines.lstsq.rules import MIN_POINTS, check_shapes

LANES = 32
# more than fit at once: the last ones even out how long the others took
BLOCKS_PER_PROCESSOR = 64
ALIGNMENT = 256

Floats = NDArray[np.float32]


class DeviceArray(Protocol):
    """Memory on the GPU as torch, CuPy and pycuda give it."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...


class Fit(NamedTuple):
    """Affines (B, 2, 4), and what they leave: residuals (B, K, 2) = target - M [x y z 1], losses (B,) = Σ w |r|², and
    gradients (B, K) of the losses in z; NaN where the affine is."""

    affines: Floats
    residuals: Floats
    losses: Floats
    gradients: Floats


def solve(
    points: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any] | None = None, ridge: float = 0.0
) -> Floats:
    """(B, 2, 4) float32 affines; arguments and rules as in `engines.lstsq.host.solve`, on the first GPU.

    Raises:
        EngineError: as there; more than MAX_POINTS points; or no GPU, driver, pycuda or compiled kernel.
    """
    return solver().solve(points, targets, weights, ridge)


@functools.cache
def solver(device: int = 0) -> CudaSolver:
    """The solver of that GPU, made when first asked for."""
    return CudaSolver(device)


class CudaSolver:
    """The compiled kernel, loaded on one GPU. Calls may come from several threads."""

    def __init__(self, device: int = 0, fatbin: Path | None = None) -> None:
        """Load the kernel.

        Args:
            device: number of the GPU.
            fatbin: the compiled kernel; by default the one `build_engines.py` puts into the cache.

        Raises:
            EngineError: pycuda, the driver, the GPU or the compiled kernel is missing or does not fit.
        """
        self._module = KernelModule(LSTSQ, device, fatbin)
        self._kernel = self._module.function("affine_lstsq", "PPPPPPPqif")
        self._most_blocks = BLOCKS_PER_PROCESSOR * self._module.processors
        self._lock = threading.Lock()
        self._memory: Any = None
        self._size = 0

    def solve(
        self, points: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any] | None = None, ridge: float = 0.0
    ) -> Floats:
        """As `solve` above, on this GPU; copies there and back."""
        check_shapes(points.shape, targets.shape, None if weights is None else weights.shape)
        affines = np.full((len(points), 2, 4), np.nan, np.float32)
        self._solve(points, targets, weights, ridge, [affines, None, None, None])
        return affines

    def fit(self, points: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any] | None = None) -> Fit:
        """Affines with residuals, losses and gradients; without a ridge, for only then is the loss at its minimum,
        where the gradient is -2 w r · m_z. Arguments and errors as in `solve`."""
        check_shapes(points.shape, targets.shape, None if weights is None else weights.shape)
        result = Fit(*(np.full(shape, np.nan, np.float32) for shape in _result_shapes(*points.shape[:2])))
        self._solve(points, targets, weights, 0.0, result)
        return result

    def launch(
        self,
        points: DeviceArray,
        targets: DeviceArray,
        weights: DeviceArray | None,
        ridge: float,
        affines: DeviceArray,
        residuals: DeviceArray | None = None,
        losses: DeviceArray | None = None,
        gradients: DeviceArray | None = None,
        stream: Any = None,
    ) -> None:
        """Start solving on the GPU and return at once.

        Args:
            points, targets, weights, ridge: as in `solve`; float32, in rows without gaps, in this GPU's memory.
            affines: (B, 2, 4) to be written.
            residuals, losses, gradients: to be written if given; shapes as in `Fit`.
            stream: one that `stream` made; None is CUDA's default stream.

        Raises:
            EngineError: shapes, types or layout are not these, or the GPU fails.
        """
        faces, count, _ = points.__cuda_array_interface__["shape"]
        shapes = ((faces, count, 3), (faces, count, 2), (faces, count), *_result_shapes(faces, count))
        arrays = (points, targets, weights, affines, residuals, losses, gradients)
        pointers = [_pointer(array, shape) for array, shape in zip(arrays, shapes, strict=True)]
        with self._module.active("solve"):
            self._launch(pointers, faces, count, ridge, stream)

    def stream(self) -> Any:
        """A new pycuda stream on this GPU for `launch`; others wrap its `handle`."""
        return self._module.stream()

    def _solve(
        self,
        points: NDArray[Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None,
        ridge: float,
        results: Sequence[Floats | None],
    ) -> None:
        """Fill `results`, which hold NaN, through memory on the GPU that is kept for the next call."""
        faces, count = points.shape[:2]
        if faces == 0 or count < MIN_POINTS:
            return
        inputs = (points, targets, weights)
        sent = [None if array is None else np.ascontiguousarray(array, np.float32) for array in inputs]
        sizes = [0 if array is None else -(-array.nbytes // ALIGNMENT) * ALIGNMENT for array in (*sent, *results)]
        with self._lock, self._module.active(f"solve {faces} faces"):
            start = self._allocated(sum(sizes))
            pointers = [start + sum(sizes[:place]) if size else 0 for place, size in enumerate(sizes)]
            for pointer, array in zip(pointers, sent, strict=False):
                if array is not None:
                    self._module.driver.memcpy_htod(pointer, array)
            self._launch(pointers, faces, count, ridge, None)
            for pointer, array in zip(pointers[len(sent) :], results, strict=True):
                if array is not None:
                    self._module.driver.memcpy_dtoh(array, pointer)

    def _allocated(self, size: int) -> int:
        """Address of that much memory on the GPU, at least."""
        if size > self._size:
            self._memory, self._size = None, 0  # given back before more is asked for
            self._memory, self._size = self._module.driver.mem_alloc(size), size
        return int(self._memory)

    def _launch(self, pointers: Sequence[int], faces: int, count: int, ridge: float, stream: Any) -> None:
        if not 1 <= count <= MAX_POINTS:
            raise EngineError(f"The CUDA least squares were given {count} points a face: they take 1 to {MAX_POINTS}.")
        columns = 5 if pointers[2] == 0 else 6
        staged = 2 * WARPS * columns * (-(-count // 4) * 4) * np.dtype(np.float32).itemsize
        blocks = min(-(-faces // WARPS), self._most_blocks)
        if blocks:
            self._kernel.prepared_async_call(
                (blocks, 1), (LANES * WARPS, 1, 1), stream, *pointers, faces, count, ridge, shared_size=staged
            )


def _result_shapes(faces: int, count: int) -> tuple[tuple[int, ...], ...]:
    """Of affines, residuals, losses and gradients."""
    return (faces, 2, 4), (faces, count, 2), (faces,), (faces, count)


def _pointer(array: DeviceArray | None, shape: tuple[int, ...]) -> int:
    """The address of that array, 0 for none."""
    if array is None:
        return 0
    given = array.__cuda_array_interface__
    rows = tuple(4 * int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    if given["shape"] != shape or given["typestr"] != "<f4" or given.get("strides") not in (None, rows):
        raise EngineError(
            f"The CUDA least squares were given {given['typestr']}{given['shape']} with strides "
            f"{given.get('strides')}: there they take float32 of shape {shape}, without gaps."
        )
    return int(given["data"][0])
