"""Which NVIDIA GPUs there are, asked of the driver itself: nothing needs to be installed for the answer "none"."""

from __future__ import annotations

import ctypes
import sys

NAME_BYTES = 256


def gpu_names() -> tuple[str, ...]:
    """The names of the GPUs CUDA sees, e.g. ("NVIDIA H200",); empty without driver or GPU."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return ()
    count = ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return ()
    names = []
    for number in range(count.value):
        device, name = ctypes.c_int(), ctypes.create_string_buffer(NAME_BYTES)
        driver.cuDeviceGet(ctypes.byref(device), number)
        driver.cuDeviceGetName(name, NAME_BYTES, device)
        names.append(name.value.decode())
    return tuple(names)
