"""Repair networks for tests: a few operators, no training, so that what they do is known exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_network(folder: Path, size: int, shift: tuple[float, float, float], inputs: int = 5) -> Path:
    """Write `repair_SIZE.onnx`: it adds `shift` to the colours of a tile, in the measure of its mask."""
    path = folder / f"repair_{size}.onnx"
    constants = {
        "begin": np.array([0]),
        "end": np.array([3]),
        "mask": np.array([4]),
        "axis": np.array([1]),
        "shift": np.array(shift, np.float32).reshape(1, 3, 1, 1),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Slice", ["tile", "begin", "end", "axis"], ["colours"]),
            helper.make_node("Gather", ["tile", "mask"], ["measure"], axis=1),
            helper.make_node("Mul", ["measure", "shift"], ["correction"]),
            helper.make_node("Add", ["colours", "correction"], ["repaired"]),
        ],
        "repair",
        [helper.make_tensor_value_info("tile", TensorProto.FLOAT, ["batch", inputs, size, size])],
        [helper.make_tensor_value_info("repaired", TensorProto.FLOAT, ["batch", 3, size, size])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path
