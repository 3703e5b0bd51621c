"""The deployed networks are files that other runtimes take, too: valid ONNX, and folding changes no answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import engines
from engines.runtime.folding import fold_constants

deployed = pytest.mark.parametrize("path", sorted(engines.WEIGHTS.glob("*.onnx")), ids=lambda path: path.stem)


@deployed
def test_deployed_networks_are_valid(path: Path) -> None:
    onnx.checker.check_model(onnx.load(path), full_check=True)


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
