"""The TensorRT runtime on a GPU: deployed networks beside their references, buffers on the GPU, and a second start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import engines
from engines import Engine, EngineError
from engines.nvidia import gpus
from engines.runtime.plans import library

NAMES = sorted(path.stem for path in engines.WEIGHTS.glob("*.onnx"))
# of the largest value: float16 in the convolutions, and a heat-map's highest cell may be the next one
TOLERANCE = 2e-2


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not gpus():
        pytest.skip("there is no NVIDIA GPU")
    try:
        library()
    except EngineError as error:
        pytest.skip(str(error))
    return tmp_path_factory.mktemp("plans")


def _engine(name: str, cache: Path) -> Engine:
    return engines.load(name, "tensorrt", cache=cache)


@pytest.mark.parametrize("name", NAMES)
def test_deployed_networks_give_their_reference_outputs(name: str, cache: Path) -> None:
    engine = _engine(name, cache)
    with np.load(engines.WEIGHTS / f"{name}.check.npz") as stored:
        inputs = [stored[f"in_{place}"] for place in range(len(engine.spec.inputs))]
        wanted = [stored[f"out_{place}"] for place in range(len(engine.spec.outputs))]
    for output, reference in zip(engine(*inputs), wanted, strict=True):
        np.testing.assert_allclose(output, reference, atol=TOLERANCE * np.abs(reference).max())


def test_a_second_start_compiles_nothing(cache: Path) -> None:
    _engine("depthnet", cache)
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.plan")}
    _engine("depthnet", cache)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.plan")} == before


def test_a_damaged_plan_is_made_anew(cache: Path) -> None:
    _engine("depthnet", cache)
    (plan,) = cache.rglob("depthnet*.plan")
    plan.write_bytes(plan.read_bytes()[:1000])
    engine = _engine("depthnet", cache)
    source = np.random.default_rng(0).random((2, 68, 2), dtype=np.float32)
    assert np.isfinite(engine(source, source)[0]).all()


@pytest.mark.parametrize("batch", [1, 2, 3, 8, 16])
def test_what_stays_on_the_gpu_is_what_comes_back(batch: int, cache: Path) -> None:
    from engines.runtime import cuda
    from engines.runtime.tensorrt import TensorRtEngine

    engine = _engine("depthnet", cache)
    assert isinstance(engine, TensorRtEngine)
    buffers, device = engine.bind(batch), engine.device(batch)
    for buffer in buffers.inputs:
        buffer[:] = np.random.default_rng(batch).random(buffer.shape)
    engine.run()
    wanted = buffers.outputs[0].copy()
    buffers.outputs[0][:] = 0
    stream = cuda.new_stream()
    engine.launch(stream)
    cuda.download(device.outputs[0], buffers.outputs[0], stream)
    cuda.wait(stream)
    np.testing.assert_array_equal(buffers.outputs[0], wanted)
