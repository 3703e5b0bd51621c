"""Which NVIDIA GPUs there are, asked of the driver itself: nothing needs to be installed for the answer "none"."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass

NAME_BYTES = 256
CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76  # CUdevice_attribute


@dataclass(frozen=True, slots=True)
class Gpu:
    """A card: its name, e.g. "NVIDIA H200", and compute capability, e.g. (9, 0)."""

    name: str
    capability: tuple[int, int]


def gpus() -> tuple[Gpu, ...]:
    """The GPUs CUDA sees; empty without driver or GPU."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return ()
    count = ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return ()
    return tuple(_gpu(driver, number) for number in range(count.value))


def main() -> int:
    """Print them; exit code 2, and a sentence, where there is none."""
    found = gpus()
    for gpu in found:
        print(f"{gpu.name}, compute capability {gpu.capability[0]}.{gpu.capability[1]}")
    if not found:
        print("There is no NVIDIA GPU here, or no driver of NVIDIA's: what needs one cannot be tried.", file=sys.stderr)
    return 0 if found else 2


def _gpu(driver: ctypes.CDLL, number: int) -> Gpu:
    device, name = ctypes.c_int(), ctypes.create_string_buffer(NAME_BYTES)
    driver.cuDeviceGet(ctypes.byref(device), number)
    driver.cuDeviceGetName(name, NAME_BYTES, device)

    def attribute(which: int) -> int:
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), which, device)
        return value.value

    return Gpu(name.value.decode(), (attribute(CAPABILITY_MAJOR), attribute(CAPABILITY_MINOR)))


if __name__ == "__main__":
    sys.exit(main())
