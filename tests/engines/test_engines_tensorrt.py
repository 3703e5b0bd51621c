"""The TensorRT engine's contract, with real plans and a stand-in for the GPU."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import engines
from engines import EngineError
from engines.nvidia import Gpu
from engines.runtime import cuda, plans
from engines.runtime import tensorrt as module
from engines.runtime.tensorrt import TensorRtEngine
from tests.engines.tensorrt_on_cpu import CudaRuntime, TensorRt

tensorrt_rtx = pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not made for this kind of machine")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> CudaRuntime:
    """A GeForce of which only the calls are there."""
    runtime = CudaRuntime()
    monkeypatch.setattr(cuda, "runtime", runtime)
    monkeypatch.setattr(module, "gpus", lambda: (Gpu("NVIDIA GeForce RTX 4090", (8, 9)),))
    return runtime


@pytest.fixture
def trt(gpu: CudaRuntime, folder: Path, monkeypatch: pytest.MonkeyPatch) -> TensorRt:
    stand_in = TensorRt(tensorrt_rtx, gpu, folder / "small.onnx")
    monkeypatch.setattr(module, "library", lambda: stand_in)
    return stand_in


@pytest.fixture
def engine(trt: TensorRt, folder: Path) -> TensorRtEngine:
    return TensorRtEngine("small", folder / "small.onnx", cache=folder / "plans")


def test_it_says_what_it_is(engine: TensorRtEngine, folder: Path) -> None:
    assert engine.spec == engines.load("small", "openvino", folder=folder).spec
    assert engine.runtime == f"tensorrt_rtx {tensorrt_rtx.__version__} NVIDIA GeForce RTX 4090"
    assert engine.precision == "float16"


@pytest.mark.parametrize("batch", [1, 2, 3, 8, 9, 16])
def test_every_batch_is_computed_with_its_profile(batch: int, engine: TensorRtEngine) -> None:
    a, b = np.random.default_rng(batch).random((2, batch, 3), dtype=np.float32)
    total, product = engine(a, b)
    np.testing.assert_array_equal(total, a + b)
    np.testing.assert_array_equal(product, a * b)


def test_bound_buffers_are_used_in_place(engine: TensorRtEngine) -> None:
    with pytest.raises(EngineError, match="bind"):
        engine.run()
    buffers = engine.bind(2)
    for value in (1, 5):
        buffers.inputs[0][:] = value
        buffers.inputs[1][:] = 2
        engine.run()
        np.testing.assert_array_equal(buffers.outputs[0], np.full((2, 3), value + 2))
    assert engine.bind(2) is buffers
    with pytest.raises(EngineError, match="batch of 17"):
        engine.bind(17)


def test_what_stays_on_the_gpu_is_not_copied(engine: TensorRtEngine, gpu: CudaRuntime) -> None:
    buffers, device = engine.bind(1), engine.device(1)
    there = [np.frombuffer(gpu.memory[array.pointer], np.float32) for array in (*device.inputs, *device.outputs)]
    there[0][:], there[1][:] = 3, 4
    engine.launch(1)
    cuda.wait(1)
    np.testing.assert_array_equal(there[2], [7, 7, 7])
    np.testing.assert_array_equal(there[3], [12, 12, 12])
    np.testing.assert_array_equal(buffers.outputs[0], 0)
    interface = device.outputs[0].__cuda_array_interface__
    assert (interface["shape"], interface["typestr"]) == ((1, 3), "<f4")
    assert interface["data"] == (device.outputs[0].pointer, False)


def test_threads_have_buffers_of_their_own(engine: TensorRtEngine) -> None:
    mine, theirs = engine.bind(1), []
    thread = threading.Thread(target=lambda: theirs.append(engine.bind(1)))
    thread.start()
    thread.join()
    assert theirs[0] is not mine


def test_a_damaged_plan_is_made_anew_once(trt: TensorRt, folder: Path) -> None:
    trt.refused = 1
    ones = np.ones((1, 3), np.float32)
    engine = TensorRtEngine("small", folder / "small.onnx", cache=folder)
    assert engine(ones, ones)[0][0, 0] == 2
    (remark,) = engine.remarks
    assert remark.endswith("was damaged: 'small' has been compiled anew.")
    trt.refused = 2
    with pytest.raises(EngineError, match="cannot load the plan"):
        TensorRtEngine("small", folder / "small.onnx", cache=folder)


def test_code_for_the_card_is_kept_for_the_next_start(engine: TensorRtEngine, folder: Path) -> None:
    engine.bind(1)
    (code,) = (folder / "plans").glob("*.code")
    assert code.read_bytes() == b"code"


@pytest.mark.parametrize("call", ["cudaMalloc", "cudaMallocHost", "cudaStreamCreateWithFlags", "cudaGraphInstantiate"])
def test_a_gpu_that_fails_is_one_clear_error(call: str, engine: TensorRtEngine, gpu: CudaRuntime) -> None:
    gpu.broken = call
    with pytest.raises(EngineError, match=r"^The GPU could not .*: out of memory\.$"):
        engine.bind(1)
        engine.run()
    gpu.broken = ""
    ones = np.ones((1, 3), np.float32)
    assert engine(ones, ones)[0][0, 0] == 2, "and may be asked again"


def test_a_gpu_lost_in_the_middle_is_one_clear_error(engine: TensorRtEngine, gpu: CudaRuntime, trt: TensorRt) -> None:
    engine.bind(1)
    gpu.broken = "cudaGraphLaunch"
    with pytest.raises(EngineError, match="could not run a graph"):
        engine.run()
    trt.fails = True
    with pytest.raises(EngineError, match="could not run the network 'small'") as caught:
        engine.bind(2)
    assert caught.value.exit_code == 3


def test_memory_is_given_back(trt: TensorRt, gpu: CudaRuntime, folder: Path) -> None:
    engine = TensorRtEngine("small", folder / "small.onnx", cache=folder)
    engine.bind(4)
    assert len(gpu.memory) == 8
    del engine
    assert not gpu.memory


def test_asked_for_and_not_to_be_had_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "gpus", tuple)
    with pytest.raises(EngineError, match="needs an NVIDIA GPU"):
        engines.load("small", "tensorrt", folder=folder)
    monkeypatch.setattr(module, "gpus", lambda: (Gpu("NVIDIA GeForce RTX 4090", (8, 9)),))

    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(plans, "import_module", missing)
    with pytest.raises(EngineError, match="TensorRT is not installed"):
        engines.load("small", "tensorrt", folder=folder)
