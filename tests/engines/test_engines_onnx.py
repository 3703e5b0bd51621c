"""The deployed networks are files that other runtimes take, too: valid ONNX, with what TensorRT's parser supports.

The list is that of onnx-tensorrt's docs/operators.md; TensorRT itself cannot be installed where the tests run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import engines
from engines.runtime.folding import fold_constants

NEWEST_OPSET = 20  # of TensorRT 10
SUPPORTED = {
    "Abs",
    "Acos",
    "Acosh",
    "Add",
    "And",
    "ArgMax",
    "ArgMin",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Ceil",
    "Celu",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "ConvTranspose",
    "Cos",
    "Cosh",
    "CumSum",
    "DepthToSpace",
    "DequantizeLinear",
    "Div",
    "Einsum",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "EyeLike",
    "Flatten",
    "Floor",
    "GRU",
    "Gather",
    "GatherElements",
    "GatherND",
    "Gemm",
    "GlobalAveragePool",
    "GlobalLpPool",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "HardSigmoid",
    "Identity",
    "If",
    "InstanceNormalization",
    "IsNaN",
    "LRN",
    "LSTM",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "LogSoftmax",
    "Loop",
    "LpNormalization",
    "LpPool",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "Min",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "PRelu",
    "Pad",
    "Pow",
    "QuantizeLinear",
    "Range",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "Relu",
    "Reshape",
    "Resize",
    "Round",
    "ScatterElements",
    "ScatterND",
    "Selu",
    "Shape",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Size",
    "Slice",
    "Softmax",
    "Softplus",
    "Softsign",
    "SpaceToDepth",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
    "Tile",
    "TopK",
    "Transpose",
    "Unsqueeze",
    "Where",
    "Xor",
}
TYPES = {
    TensorProto.FLOAT,
    TensorProto.FLOAT16,
    TensorProto.BFLOAT16,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.BOOL,
}
# inputs that must be known when the network is built, by place
KNOWN = {"Conv": (1,), "ConvTranspose": (1,), "CumSum": (1,), "Slice": (3,), "Squeeze": (1,), "Unsqueeze": (1,)}
ATTRIBUTES: dict[str, dict[str, set[bytes]]] = {
    "Resize": {
        "mode": {b"nearest", b"linear"},
        "coordinate_transformation_mode": {
            b"half_pixel",
            b"pytorch_half_pixel",
            b"tf_half_pixel_for_nn",
            b"asymmetric",
            b"align_corners",
        },
        "nearest_mode": {b"floor", b"ceil", b"round_prefer_floor", b"round_prefer_ceil"},
    }
}


def complaints(model: ModelProto) -> Iterator[str]:
    """What TensorRT's parser would refuse."""
    for opset in model.opset_import:
        if opset.domain not in ("", "ai.onnx") or opset.version > NEWEST_OPSET:
            yield f"operators of {opset.domain or 'ONNX'} {opset.version}"
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.output, *graph.value_info)}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    for name, kind in types.items():
        if kind not in TYPES and not (kind == TensorProto.UINT8 and cast_at_once(graph, name)):
            yield f"{name} of type {TensorProto.DataType.Name(kind)}"
    known = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            known.update(node.output)
        yield from refused(node, known, types)


def cast_at_once(graph: GraphProto, name: str) -> bool:
    """Bytes may come in, if the first thing done to them is a cast."""
    users = [node.op_type for node in graph.node if name in node.input]
    return name in {value.name for value in graph.input} and set(users) == {"Cast"}


def refused(node: NodeProto, known: set[str], types: dict[str, int]) -> Iterator[str]:
    if node.op_type not in SUPPORTED:
        yield f"operator {node.op_type}"
    for place in KNOWN.get(node.op_type, ()):
        if place < len(node.input) and node.input[place] and node.input[place] not in known:
            yield f"{node.op_type} whose input {place} is computed"
    if node.op_type == "Range" and types.get(node.output[0]) == TensorProto.FLOAT and not known.issuperset(node.input):
        yield "a Range of computed floats"
    for attribute in node.attribute:
        allowed = ATTRIBUTES.get(node.op_type, {}).get(attribute.name)
        if allowed and attribute.s not in allowed:
            yield f"{node.op_type} with {attribute.name} {attribute.s.decode()}"
        if attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
            yield f"{node.op_type} with a graph inside, which this test does not look into"


deployed = pytest.mark.parametrize("path", sorted(engines.WEIGHTS.glob("*.onnx")), ids=lambda path: path.stem)


@deployed
def test_deployed_networks_are_valid_and_fit_tensorrt(path: Path) -> None:
    """Once folded, as every export is now; files exported before that have chains in place of some numbers."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert not list(complaints(fold_constants(model)))


@deployed
def test_folding_changes_no_answer(path: Path, tmp_path: Path) -> None:
    folded = fold_constants(onnx.load(path))
    onnx.save(folded, tmp_path / "folded.onnx")
    assert not [node for node in folded.graph.node if node.op_type == "Constant"]
    with np.load(path.with_suffix(".check.npz")) as stored:
        inputs = [stored[name] for name in sorted(stored) if name.startswith("in_")]
    answers = engines.load(path.stem, threads=1, cache=tmp_path)(*inputs)
    for before, after in zip(
        answers, engines.load("folded", threads=1, cache=tmp_path, folder=tmp_path)(*inputs), strict=True
    ):
        np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)


def test_what_depends_on_the_batch_is_not_folded() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["batch"]),
        helper.make_node("Gather", ["shape", "second"], ["side"]),
        helper.make_node("Mul", ["side", "side"], ["area"]),
        helper.make_node("Concat", ["batch", "area"], ["sizes"], axis=0),
        helper.make_node("Expand", ["one", "sizes"], ["y"]),
    ]
    known = {"first": [0], "second": [1], "one": [[1.0]]}
    constants = [numpy_helper.from_array(np.array(value), name) for name, value in known.items()]
    x, y = (helper.make_tensor_value_info(*of) for of in (("x", 1, ["batch", 5]), ("y", 11, ["batch", 25])))
    graph = helper.make_graph(nodes, "sizes", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folded = fold_constants(model)
    assert [node.op_type for node in folded.graph.node] == ["Shape", "Gather", "Concat", "Expand"]
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in folded.graph.initializer}
    np.testing.assert_array_equal(stored["area"], [25])
    (result,) = ReferenceEvaluator(folded).run(None, {"x": np.zeros((7, 5), np.float32)})
    assert result.shape == (7, 25)


def network(*nodes: NodeProto, kind: int = TensorProto.FLOAT, opset: int = 17) -> ModelProto:
    """`x` (1, 1, 4, 4) of that type to `y`, with a few constants."""
    constants = [
        numpy_helper.from_array(value, name)
        for name, value in {"sizes": np.array([1, 1, 8, 8]), "one": np.array([1])}.items()
    ]
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info("x", kind, [1, 1, 4, 4])],
        [helper.make_empty_tensor_value_info("y")],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (network(helper.make_node("Relu", ["x"], ["y"])), None),
        (network(helper.make_node("Relu", ["x"], ["y"]), opset=21), "operators of ONNX 21"),
        (network(helper.make_node("Det", ["x"], ["y"])), "operator Det"),
        (network(helper.make_node("Relu", ["x"], ["y"]), kind=TensorProto.DOUBLE), "x of type DOUBLE"),
        (network(helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT), kind=TensorProto.UINT8), None),
        (network(helper.make_node("Transpose", ["x"], ["y"]), kind=TensorProto.UINT8), "x of type UINT8"),
        (network(helper.make_node("Unsqueeze", ["x", "one"], ["y"])), None),
        (
            network(helper.make_node("Neg", ["one"], ["axes"]), helper.make_node("Unsqueeze", ["x", "axes"], ["y"])),
            "Unsqueeze whose input 1 is computed",
        ),
        (network(helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="linear")), None),
        (network(helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="cubic")), "Resize with mode cubic"),
    ],
)
def test_what_tensorrt_does_not_take_is_noticed(model: ModelProto, complaint: str | None) -> None:
    found = list(complaints(model))
    assert complaint in found if complaint else not found
