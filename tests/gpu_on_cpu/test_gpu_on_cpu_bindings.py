"""What is asked of NVIDIA's bindings is there, and the stand-ins for them take what they take."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import engines
from engines.errors import EngineError
from engines.nvidia import gpus
from engines.runtime import cuda
from tests.gpu_on_cpu.interop_on_cpu import GlRuntime

ROOT = engines.WEIGHTS.parents[1]
CALLS = [name for name, value in inspect.getmembers(GlRuntime, callable) if name.startswith("cuda")]
USERS = [ROOT / "engines/runtime/cuda.py", *sorted((ROOT / "realtime/gpu").glob("*.py")), ROOT / "bench/gpu_meters.py"]


@pytest.mark.parametrize("path", USERS, ids=lambda path: path.stem)
def test_every_name_that_is_used_exists(path: Path) -> None:
    for chain in re.findall(r"\bruntime((?:\.cuda\w+)+)", path.read_text("utf-8")):
        found = cuda.runtime
        for name in chain[1:].split("."):
            assert hasattr(found, name), chain
            found = getattr(found, name)


@pytest.mark.parametrize("name", CALLS)
def test_the_stand_in_takes_what_the_binding_takes(name: str) -> None:
    """Its documentation begins with the signature."""
    plain = getattr(cuda.runtime, name)
    (taken,) = re.findall(rf"^{name}\((.*?)\)", (plain.__doc__ or "").replace("\n", " "))
    wanted = len(taken.split(",")) if taken else 0
    assert len(inspect.signature(getattr(GlRuntime, name)).parameters) - 1 == wanted, taken


def test_a_driver_too_old_is_one_sentence_before_the_start() -> None:
    """As on this machine where there is none: the binding itself answers."""
    if gpus():
        pytest.skip("there is a driver")
    with pytest.raises(EngineError, match=r"driver is missing or too old for CUDA \d+\.\d+: update it") as caught:
        cuda.new_stream()
    assert caught.value.exit_code == 2
