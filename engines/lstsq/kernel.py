"""The least squares' kernel, lstsq.cu, and the constants it is compiled with."""

from __future__ import annotations

from pathlib import Path

from engines.kernels import CudaSource
from engines.lstsq.rules import FLAT, MIN_POINTS, SHALLOW

# of a face: three for each lane of a warp
MAX_POINTS = 96
# of a block: few, so that a handful of faces spreads over the whole card
WARPS = 4

LSTSQ = CudaSource(
    Path(__file__).with_name("lstsq.cu"),
    {
        "MIN_POINTS": MIN_POINTS,
        "MAX_POINTS": MAX_POINTS,
        "WARPS": WARPS,
        "FLAT": f"{FLAT}f",
        "SHALLOW": f"{SHALLOW}f",
    },
)
