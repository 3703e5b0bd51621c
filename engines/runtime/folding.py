"""Take out of an exported graph what does not depend on its inputs.

The exporter writes sizes and indices as chains of small nodes. OpenVINO works them out by itself; TensorRT's parser
wants many of them as plain numbers.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ModelProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from engines.runtime.base import Array

# two batch sizes: what has the same value for both does not depend on the batch
BATCHES = (2, 3)
# weights stay under their names, whatever is computed from them: a graph may only lose small numbers
LARGEST = 4096


def fold_constants(model: ModelProto, batch: int | None = None) -> ModelProto:
    """`model` with every value that depends on neither inputs nor batch size stored as an initialiser.

    Sizes of tensors count as known, where shape inference finds them; other initialisers stay as they are. With a
    `batch`, that one is counted on, and what depends on it is stored, too.
    """
    batches = BATCHES if batch is None else (batch, batch)
    folded = _folded(model, batches)
    while len(folded.graph.node) < len(model.graph.node):  # sizes that were computed are known now, and so their users
        model, folded = folded, _folded(folded, batches)
    onnx.checker.check_model(folded, full_check=True)
    return folded


def _folded(model: ModelProto, batches: tuple[int, int]) -> ModelProto:
    first, second = (_values(model, batch) for batch in batches)
    known = {name: first[name] for name in first.keys() & second.keys() if _same(first[name], second[name])}
    folded = ModelProto()
    folded.CopyFrom(model)
    graph = folded.graph
    kept = [node for node in graph.node if not known.keys() >= set(node.output)]
    wanted = {name for node in kept for name in node.input} | {output.name for output in graph.output}
    stored = {tensor.name for tensor in graph.initializer}
    del graph.node[:]
    graph.node.extend(kept)
    graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in known.items() if name in wanted - stored
    )
    return folded


def _values(model: ModelProto, batch: int) -> dict[str, Array]:
    """All values that can be told for that batch without the inputs."""
    sized = ModelProto()
    sized.CopyFrom(model)
    for value in (*sized.graph.input, *sized.graph.output):
        first = value.type.tensor_type.shape.dim[0]
        if first.HasField("dim_param"):
            first.dim_value = batch
    del sized.graph.value_info[:]
    graph = onnx.shape_inference.infer_shapes(sized, strict_mode=True, data_prop=True).graph
    shapes = {value.name: _shape(value) for value in (*graph.input, *graph.output, *graph.value_info)}
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    values = {name: value for name, value in values.items() if value.size <= LARGEST}
    for node in graph.node:
        if node.op_type == "Shape" and (shape := shapes.get(node.input[0])) is not None:
            start, end = ({a.name: a.i for a in node.attribute}.get(name) for name in ("start", "end"))
            values[node.output[0]] = np.array(shape[start:end], np.int64)
        elif all(name in values for name in node.input if name):
            inputs = {name: values[name] for name in node.input if name}
            values.update(zip(node.output, ReferenceEvaluator(node).run(None, inputs), strict=True))
    return values


def _shape(value: onnx.ValueInfoProto) -> list[int] | None:
    """The sides of a tensor, None where one is open."""
    sides = value.type.tensor_type.shape.dim
    return [side.dim_value for side in sides] if all(side.HasField("dim_value") for side in sides) else None


def _same(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and bool(np.array_equal(one, other))
