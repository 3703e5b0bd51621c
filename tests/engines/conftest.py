"""Small networks to try the engines on."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper


def save_network(path: Path, batch: int | str = "batch", inner: int | str = 3) -> None:
    """`total` = a + b, `product` = a * b, of (batch, inner) float32."""
    shape = [batch, inner]
    tensors = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("a", "b")}
    results = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("total", "product")}
    nodes = [helper.make_node("Add", ["a", "b"], ["total"]), helper.make_node("Mul", ["a", "b"], ["product"])]
    graph = helper.make_graph(nodes, "small", list(tensors.values()), list(results.values()))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACET_CACHE", str(tmp_path / "cache"))
    save_network(tmp_path / "small.onnx")
    save_network(tmp_path / "fixed.onnx", batch=1)
    save_network(tmp_path / "open.onnx", inner="open")
    return tmp_path
