"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

# What makes networks and drawing faster, by the name Linux gives it.
_EXTENSIONS = {"avx2": "AVX2", "avx512f": "AVX-512", "amx_tile": "AMX"}


def machine() -> str:
    """Processor, cores and load, e.g. "AMD EPYC (AVX2, AVX-512), 2 cores, Linux, load 0.3"."""
    name, extensions = platform.processor() or platform.machine(), ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = (line.partition(":") for line in cpuinfo.read_text(encoding="utf-8").splitlines())
        first = {key.strip(): value.strip() for key, _, value in reversed(list(lines))}
        name, flags = first.get("model name", name), first.get("flags", "").split()
        extensions = ", ".join(label for flag, label in _EXTENSIONS.items() if flag in flags)
    known = f" ({extensions})" if extensions else ""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{name}{known}, {os.cpu_count()} cores, {platform.system()}{load}"


def resident_mb() -> float | None:
    """Megabytes of memory this process holds now; None where the system does not tell."""
    statm = Path("/proc/self/statm")
    if not statm.is_file():
        return None
    pages = int(statm.read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
