"""The torch runtime on a real GPU: the deployed networks' stored answers, CUDA graphs, threads, streams, memory."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import engines
from engines.runtime.torch import TorchEngine

torch = pytest.importorskip("torch", reason="the GPU tests need torch")

# of the largest value: float16 in the convolutions, and a heat-map's highest cell may be the next one
TOLERANCE = 2e-2
NAMES = sorted(path.stem for path in engines.WEIGHTS.glob("*.onnx"))


@pytest.fixture(autouse=True)
def torch_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU that torch can use")


def stored(name: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Inputs and answers of a deployed network."""
    with np.load(engines.WEIGHTS / f"{name}.check.npz") as arrays:
        inputs, outputs = ([arrays[key] for key in sorted(arrays) if key.startswith(part)] for part in ("in_", "out_"))
    return inputs, outputs


@pytest.mark.parametrize("name", NAMES)
def test_deployed_networks_give_their_stored_answers(name: str) -> None:
    engine = engines.load(name, "torch")
    inputs, answers = stored(name)
    for _ in range(2):  # the second time from the same graph
        for output, answer in zip(engine(*inputs), answers, strict=True):
            np.testing.assert_allclose(output, answer, atol=TOLERANCE * np.abs(answer).max())
    assert torch.cuda.get_device_name() in engine.runtime


@pytest.mark.parametrize("name", NAMES)
def test_every_batch_size_gives_each_item_its_answer(name: str) -> None:
    engine = engines.load(name, "torch")
    if engine.spec.inputs[0].shape[0] != -1:
        pytest.skip("this network takes one item")
    inputs, answers = stored(name)
    for batch in (1, 2, 8, engines.MAX_BATCH):
        items = [np.resize(array, (batch, *array.shape[1:])) for array in inputs]
        for output, answer in zip(engine(*items), answers, strict=True):
            wanted = np.resize(answer, (batch, *answer.shape[1:]))
            np.testing.assert_allclose(output, wanted, atol=TOLERANCE * np.abs(answer).max())


@pytest.mark.parametrize("own_stream", [False, True])
def test_buffers_are_used_in_place(own_stream: bool) -> None:
    engine = engines.load("depthnet", "torch")
    inputs, (answer,) = stored("depthnet")
    buffers = engine.bind(1)
    stream = torch.cuda.Stream() if own_stream else None
    for item in range(3):
        for buffer, array in zip(buffers.inputs, inputs, strict=True):
            buffer[:] = array[item : item + 1]
        engine.run(stream)
        if stream is not None:
            stream.synchronize()
        np.testing.assert_allclose(buffers.outputs[0], answer[item : item + 1], atol=TOLERANCE * np.abs(answer).max())
    assert engine.bind(1) is buffers


def test_threads_have_graphs_of_their_own() -> None:
    engine = engines.load("depthnet", "torch")
    inputs, (answer,) = stored("depthnet")
    wrong: list[int] = []

    def work(batch: int) -> None:
        items = [array[:batch] for array in inputs]
        outputs = [engine(*items)[0] for _ in range(100)]
        wrong.extend(
            batch for output in outputs if np.abs(output - answer[:batch]).max() > TOLERANCE * np.abs(answer).max()
        )

    threads = [threading.Thread(target=work, args=(batch,)) for batch in (1, 2, 3, 4, 5, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_memory_does_not_grow() -> None:
    engine = engines.load("landmarks", "torch")
    inputs, _ = stored("landmarks")
    engine(*inputs)
    free = torch.cuda.mem_get_info()[0]
    for _ in range(200):
        engine(*inputs)
    assert torch.cuda.mem_get_info()[0] == free


def test_a_wrong_batch_is_refused_on_the_gpu_too(tmp_path: Path) -> None:
    engine = TorchEngine("depthnet", engines.WEIGHTS / "depthnet.onnx")
    with pytest.raises(engines.EngineError, match="batch of 17"):
        engine.bind(17)
