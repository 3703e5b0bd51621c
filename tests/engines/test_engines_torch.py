"""The torch runtime on the CPU: its contract, the deployed networks beside OpenVINO, operators beside ONNX's own."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import engines
from engines import EngineError
from engines.runtime.torch import TorchEngine


@pytest.fixture
def engine(folder: Path) -> TorchEngine:
    return TorchEngine("small", folder / "small.onnx", device="cpu")


@pytest.mark.parametrize("name", sorted(path.stem for path in engines.WEIGHTS.glob("*.onnx")))
def test_deployed_networks_give_the_numbers_of_openvino(name: str, tmp_path: Path) -> None:
    ours = TorchEngine(name, engines.WEIGHTS / f"{name}.onnx", device="cpu")
    plain = onnx.load(engines.WEIGHTS / f"{name}.onnx")
    del plain.metadata_props[:]  # nothing says now that it may compute in bfloat16
    onnx.save(plain, tmp_path / f"{name}.onnx")
    theirs = engines.load(name, threads=1, cache=tmp_path, folder=tmp_path)
    assert ours.spec == theirs.spec
    with np.load(engines.WEIGHTS / f"{name}.check.npz") as stored:
        inputs = [stored[f"in_{place}"] for place in range(len(ours.spec.inputs))]
    for batch in (1, 3) if ours.spec.inputs[0].shape[0] == -1 else (1,):
        items = [np.resize(array, (batch, *array.shape[1:])) for array in inputs]
        for one, other in zip(ours(*items), theirs(*items), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(other).max())


def test_it_says_what_it_is(engine: TorchEngine) -> None:
    assert [str(item) for item in engine.spec.inputs] == ["a float32(B, 3)", "b float32(B, 3)"]
    assert [(item.name, item.shape) for item in engine.spec.outputs] == [("total", (-1, 3)), ("product", (-1, 3))]
    assert engine.runtime == f"torch {torch.__version__} cpu"
    assert engine.precision == "float32"


def test_bound_buffers_are_used_in_place(engine: TorchEngine) -> None:
    with pytest.raises(EngineError, match="bind"):
        engine.run()
    buffers = engine.bind(2)
    for value in (1, 5):
        buffers.inputs[0][:] = value
        buffers.inputs[1][:] = 2
        engine.run()
        np.testing.assert_array_equal(buffers.outputs[0], np.full((2, 3), value + 2))
        np.testing.assert_array_equal(buffers.outputs[1], np.full((2, 3), value * 2))
    assert engine.bind(2) is buffers
    assert engine.bind(1) is not buffers
    with pytest.raises(EngineError, match="batch of 17"):
        engine.bind(17)


def test_many_threads_share_an_engine(engine: TorchEngine) -> None:
    wrong: list[int] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(50):
            a, b = rng.random((2, 1 + seed % 3, 3), dtype=np.float32)
            total, product = engine(a, b)
            if not (np.allclose(total, a + b) and np.allclose(product, a * b)):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_it_cannot_run_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"", b"no network at all", (folder / "small.onnx").read_bytes()[:150]):
        (folder / "bad.onnx").write_bytes(content)
        with pytest.raises(EngineError, match=r"'bad'.*bad\.onnx"):
            TorchEngine("bad", folder / "bad.onnx", device="cpu")
    with pytest.raises(EngineError, match="open shape"):
        TorchEngine("open", folder / "open.onnx", device="cpu")
    with pytest.raises(EngineError, match="batch of 2: it takes exactly 1"):
        TorchEngine("fixed", folder / "fixed.onnx", device="cpu").bind(2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineError, match="needs an NVIDIA GPU and torch with CUDA: take --runtime openvino"):
        engines.load("small", "torch", folder=folder)
    monkeypatch.setitem(sys.modules, "engines.runtime.torch", None)
    with pytest.raises(EngineError, match="needs torch and onnx: install both"):
        engines.load("small", "torch", folder=folder)


IMAGE = np.random.default_rng(0).normal(size=(2, 3, 6, 5)).astype(np.float32)


def image_for(operator: str) -> np.ndarray:
    """With channels for four pixels each where that is needed."""
    return values(2, 8, 3, 5) if operator == "DepthToSpace" else IMAGE


def values(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("operator", "constants", "attributes"),
    [
        ("Conv", [values(4, 3, 3, 3), values(4)], {"pads": [1, 1, 1, 1], "strides": [2, 1]}),
        ("Conv", [values(6, 1, 2, 2)], {"pads": [0, 1, 2, 0], "group": 3, "dilations": [2, 1]}),
        ("BatchNormalization", [values(3), values(3), values(3), np.abs(values(3))], {"epsilon": 1e-3}),
        ("Resize", [None, None, np.array([2, 3, 12, 7])], {"mode": "linear"}),
        (
            "Resize",
            [None, None, np.array([2, 3, 9, 10])],
            {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
        ),
        (
            "Resize",
            [None, np.array([1, 1, 2, 2.5], np.float32)],
            {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        ),
        ("Slice", [np.array([1, -3]), np.array([2**31, -1]), np.array([2, -1])], {}),
        ("Slice", [np.array([0]), np.array([5]), np.array([2]), np.array([2])], {}),
        ("Slice", [np.array([1]), np.array([2])], {}),
        ("Gather", [np.array([[2, -1], [0, 1]])], {"axis": 1}),
        ("Gather", [np.array(-2)], {"axis": -1}),
        ("Reshape", [np.array([0, -1, 5])], {}),
        ("Unsqueeze", [np.array([-1, 1])], {}),
        ("ReduceSum", [np.array([1, 3])], {"keepdims": 0}),
        ("ReduceMean", [], {"axes": [-1]}),
        ("ReduceL2", [], {"axes": [1]}),
        ("ReduceMax", [], {"axes": [2, 3], "keepdims": 0}),
        ("ArgMax", [], {"axis": 2, "keepdims": 0}),
        ("Cast", [], {"to": TensorProto.INT64}),
        ("Clip", [np.array(-0.5, np.float32)], {}),
        ("Clip", [None, np.array(0.5, np.float32)], {}),
        ("Concat", [values(2, 1, 6, 5)], {"axis": 1}),
        ("Softmax", [], {"axis": 1}),
        ("Softplus", [], {}),
        ("Transpose", [], {"perm": [0, 2, 3, 1]}),
        ("Transpose", [], {}),
        ("Flatten", [], {"axis": 2}),
        ("DepthToSpace", [], {"blocksize": 2, "mode": "CRD"}),
        ("LessOrEqual", [values(5)], {}),
        ("Sigmoid", [], {}),
        ("Tanh", [], {}),
        ("Expand", [np.array([2, 3, 6, 5])], {}),
        ("Expand", [np.array([4, 1, 1, 1, 5])], {}),
    ],
)
def test_operators_are_those_of_onnx(
    operator: str, constants: list[Any], attributes: dict[str, Any], tmp_path: Path
) -> None:
    check_operator(image_for(operator), operator, constants, attributes, tmp_path)


@pytest.mark.parametrize(
    ("shape", "attributes"), [((6, 2), {}), ((2, 6), {"transB": 1, "alpha": 0.5, "beta": 2.0}), ((4, 2), {"transA": 1})]
)
def test_gemm_is_that_of_onnx(shape: tuple[int, int], attributes: dict[str, Any], tmp_path: Path) -> None:
    check_operator(values(4, 6), "Gemm", [values(*shape), values(2)], attributes, tmp_path)


def check_operator(
    x: np.ndarray, operator: str, constants: list[Any], attributes: dict[str, Any], folder: Path
) -> None:
    """One operator on `x` and constants, by torch and by ONNX's reference."""
    path = folder / "one.onnx"
    stored = {f"c{place}": value for place, value in enumerate(constants) if value is not None}
    names = ["" if value is None else f"c{place}" for place, value in enumerate(constants)]
    node = helper.make_node(operator, ["x", *names], ["y"], **attributes)
    empty = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in stored.items()],
    )
    model = helper.make_model(empty, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
    kind = helper.np_dtype_to_tensor_dtype(wanted.dtype)
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", kind, wanted.shape))
    onnx.save(model, path)
    engine = TorchEngine("one", path, device="cpu")
    engine.bind(x.shape[0]).inputs[0][:] = x
    engine.run()
    np.testing.assert_allclose(engine.bind(x.shape[0]).outputs[0], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("operator", "constants", "attributes", "sentence"),
    [
        ("Det", [], {}, "the operator Det, which the torch runtime lacks"),
        ("Resize", [None, None, np.array([2, 3, 9, 9])], {"mode": "cubic"}, "a Resize of the kind cubic"),
        ("Slice", [np.array([4]), np.array([0]), np.array([2]), np.array([-1])], {}, "a Slice that runs backwards"),
        ("ReduceMean", [], {"keepdims": 1}, "a ReduceMean over all axes"),
        ("DepthToSpace", [], {"blocksize": 2}, "a DepthToSpace of the order DCR"),
        ("Conv", [values(4, 3, 3, 3)], {"auto_pad": "SAME_UPPER"}, "a Conv that is not 2D or pads by itself"),
    ],
)
def test_what_it_lacks_is_said_before_anything_runs(
    operator: str, constants: list[Any], attributes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    image = image_for(operator)
    with pytest.raises(EngineError, match=sentence):
        check_operator(image[..., :5, :] if operator == "Det" else image, operator, constants, attributes, tmp_path)


def test_what_torch_has_to_say_is_one_sentence(engine: TorchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    ones = np.ones((1, 3), np.float32)
    engine(ones, ones)

    def lost(current: Any) -> None:
        raise RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later.")

    monkeypatch.setattr(engine, "_replayed", lost)
    with pytest.raises(
        EngineError, match=r"^torch could not run the network 'small': CUDA error: .* failure\.$"
    ) as caught:
        engine.launch(1)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", ["repair_128", "occlusion"])
def test_half_precision_with_channels_last_is_near(name: str) -> None:
    """As on a GPU, on torch's CPU device."""
    path = engines.WEIGHTS / f"{name}.onnx"
    near, exact = (TorchEngine(name, path, device="cpu", half=half) for half in (True, False))
    assert (near.precision, exact.precision) == ("float16", "float32")
    with np.load(path.with_suffix(".check.npz")) as stored:
        inputs = [stored["in_0"][:1]]
    (ours,), (theirs,) = near(*inputs), exact(*inputs)
    assert np.abs(ours - theirs).max() < 2e-2 * np.abs(theirs).max()
    assert np.abs(ours - theirs).max() > 0, "it is another precision"
