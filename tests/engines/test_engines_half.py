"""Half precision written into a graph: where it goes, and what it costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import engines
from engines.runtime.folding import fold_constants
from engines.runtime.half import halve
from engines.runtime.torch import TorchEngine

HALF = 2.0**-11  # relative rounding of float16


def _network() -> ModelProto:
    """Convolution, normalisation, ReLU, a residual sum and a softmax over its sixteen places."""
    random = np.random.default_rng(0)
    weights = {
        "w": random.normal(size=(4, 1, 3, 3)) / 3,
        "scale": random.uniform(0.5, 2, 4),
        "shift": random.normal(size=4),
        "mean": random.normal(size=4),
        "variance": random.uniform(0.5, 2, 4),
        "v": random.normal(size=(4, 4, 1, 1)) / 2,
        "b": random.normal(size=4),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "scale", "shift", "mean", "variance"], ["n"], epsilon=1e-3),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("Conv", ["r", "v", "b"], ["d"]),
        helper.make_node("Add", ["d", "r"], ["s"]),
        helper.make_node("Softmax", ["s"], ["y"], axis=-1),
        helper.make_node("Add", ["x", "x"], ["twice"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 1, 4, 16])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4, 4, 16]),
            helper.make_tensor_value_info("twice", TensorProto.FLOAT, ["batch", 1, 4, 16]),
        ],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _types(model: ModelProto) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    return {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.output)}


def test_convolutions_and_what_follows_are_half_and_the_rest_is_not() -> None:
    halved = halve(_network())
    onnx.checker.check_model(halved, full_check=True)
    types = _types(halved)
    kinds = {(node.op_type, types[node.output[0]]) for node in halved.graph.node if node.op_type != "Cast"}
    assert kinds == {
        ("Conv", TensorProto.FLOAT16),
        ("Relu", TensorProto.FLOAT16),
        ("Add", TensorProto.FLOAT16),
        ("Add", TensorProto.FLOAT),
        ("Softmax", TensorProto.FLOAT),
    }, "the normalisation is in the convolution's weights"
    assert sum(node.op_type == "Cast" for node in halved.graph.node) == 2, "one on the way in, one on the way out"
    read = {name for node in halved.graph.node for name in node.input}
    assert {tensor.name for tensor in halved.graph.initializer} <= read, "nothing is stored that nobody reads"


def test_the_numbers_are_as_near_as_half_precision_can_be() -> None:
    x = np.random.default_rng(1).normal(size=(3, 1, 4, 16)).astype(np.float32)
    wanted = ReferenceEvaluator(_network()).run(None, {"x": x})
    given = ReferenceEvaluator(halve(_network())).run(None, {"x": x})
    # some ten roundings of values below 8 before the softmax, whose shares move by a change of its input at most
    np.testing.assert_allclose(given[0], wanted[0], atol=10 * 8 * HALF * float(wanted[0].max()))
    assert not np.array_equal(given[0], wanted[0])
    np.testing.assert_array_equal(given[1], wanted[1])


def test_the_network_given_is_left_alone() -> None:
    model = _network()
    before = model.SerializeToString()
    halve(model)
    assert model.SerializeToString() == before


def _outputs(name: str, folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Reference and half-precision outputs, by torch on the CPU."""
    onnx.save(halve(fold_constants(onnx.load(engines.WEIGHTS / f"{name}.onnx"))), folder / f"{name}.onnx")
    engine = TorchEngine(name, folder / f"{name}.onnx", device="cpu")
    with np.load(engines.WEIGHTS / f"{name}.check.npz") as stored:
        inputs = [stored[f"in_{place}"] for place in range(len(engine.spec.inputs))]
        wanted = [stored[f"out_{place}"] for place in range(len(engine.spec.outputs))]
    return list(zip(wanted, engine(*inputs), strict=True))


def test_landmarks_move_by_less_than_a_tenth_of_a_pixel(tmp_path: Path) -> None:
    (points, halved), (confidence, other), (score, also) = _outputs("landmarks", tmp_path)
    assert np.linalg.norm(points - halved, axis=-1).mean() < 0.1
    assert np.abs(confidence - other).mean() < 0.01
    assert np.abs(score - also).max() < 0.01


def test_the_detectors_boxes_move_by_less_than_a_pixel(tmp_path: Path) -> None:
    (boxes, halved), (scores, other), _ = _outputs("detector", tmp_path)
    assert np.abs(boxes - halved).max() < 1
    assert np.abs(scores - other).max() < 0.005


@pytest.mark.parametrize("name", ["depthnet"])
def test_networks_without_convolutions_stay_as_they_are(name: str) -> None:
    model = fold_constants(onnx.load(engines.WEIGHTS / f"{name}.onnx"))
    assert all(kind != TensorProto.FLOAT16 for kind in _types(halve(model)).values())
