"""Half precision written into a graph: convolutions and what only passes their results on compute in float16.

TensorRT takes the types of a strongly typed network from the graph itself. Everything that wants more digits (softmax,
sums over a picture, coordinates) keeps float32, and so do the network's inputs and outputs.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

# operators that begin to compute in half precision: nearly all the time is spent in them
_HEAVY = frozenset({"Conv", "ConvTranspose"})
# operators that go on in half precision where all they are given is half, with the number of inputs that are values
# (the others are sizes, scales and the like, which keep their type)
_PASSING = {
    "Add": 2,
    "AveragePool": 1,
    "Clip": 3,
    "Concat": 1 << 16,
    "DepthToSpace": 1,
    "LeakyRelu": 1,
    "MaxPool": 1,
    "Mul": 2,
    "PRelu": 2,
    "Relu": 1,
    "Resize": 1,
    "SpaceToDepth": 1,
    "Sub": 2,
}


def halve(model: ModelProto) -> ModelProto:
    """`model`, float32, with casts around the parts that compute in float16; inputs and outputs keep their types."""
    halved = _fused(model)
    graph = halved.graph
    rewriting = _Rewriting(halved)
    for node in graph.node:
        rewriting.add(node)
    rewriting.give({output.name for output in graph.output})
    read = {name for node in rewriting.nodes for name in node.input}
    stored = [tensor for tensor in graph.initializer if tensor.name in read]
    for field, values in ((graph.node, rewriting.nodes), (graph.initializer, [*stored, *rewriting.weights])):
        del field[:]
        field.extend(values)
    del graph.value_info[:]
    return halved


def _fused(model: ModelProto) -> ModelProto:
    """`model` with every batch normalisation that follows a convolution worked into its weights, in float64."""
    fused = ModelProto()
    fused.CopyFrom(model)
    graph = fused.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    readers = Counter(name for node in graph.node for name in node.input)
    for node in list(graph.node):
        conv = makers.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if conv is None or conv.op_type != "Conv" or readers[conv.output[0]] > 1:
            continue
        scale, shift, mean, variance = (_numbers(stored[name]) for name in node.input[1:])
        epsilon = next((item.f for item in node.attribute if item.name == "epsilon"), 1e-5)
        gain = scale / np.sqrt(variance + epsilon)
        weight = _numbers(stored[conv.input[1]])
        bias = _numbers(stored[conv.input[2]]) if len(conv.input) > 2 and conv.input[2] else 0.0
        names = [f"{node.output[0]}/weight", f"{node.output[0]}/bias"]
        values = [weight * gain.reshape(-1, 1, 1, 1), (bias - mean) * gain + shift]
        graph.initializer.extend(
            numpy_helper.from_array(value.astype(np.float32), name) for name, value in zip(names, values, strict=True)
        )
        conv.input[1:] = names
        conv.output[0] = node.output[0]
        graph.node.remove(node)
    return fused


def _numbers(tensor: TensorProto) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = numpy_helper.to_array(tensor).astype(np.float64)
    return numbers


class _Rewriting:
    """The new nodes, in order. A half-precision value has its float32 name and a suffix."""

    def __init__(self, model: ModelProto) -> None:
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []
        self._stored = {tensor.name: tensor for tensor in model.graph.initializer}
        self._computed: set[str] = set()  # in half precision, under their float32 names
        self._there = set(self._stored) | {value.name for value in model.graph.input} | {""}

    def add(self, node: NodeProto) -> None:
        """Append a node, in half precision where that is its place."""
        values = [name for name in node.input[: _PASSING.get(node.op_type, 3)] if name]
        given = [name for name in values if name not in self._stored]
        passing = node.op_type in _PASSING and bool(given) and self._computed.issuperset(given)
        copied = NodeProto()
        copied.CopyFrom(node)
        if node.op_type in _HEAVY or passing:
            names = [self._halved(name) if name in values else name for name in node.input]
            copied.input[:] = names
            copied.output[:] = [_half(name) if name else "" for name in node.output]
            self._computed |= set(node.output)
        else:
            self.give(set(node.input))
        self.nodes.append(copied)
        self._there |= set(copied.output)

    def give(self, names: set[str]) -> None:
        """See to it that these values are there in float32."""
        for name in sorted(names - self._there):
            self._cast(_half(name), name, TensorProto.FLOAT)

    def _halved(self, name: str) -> str:
        half = _half(name)
        if half not in self._there:
            if name in self._stored:
                numbers = numpy_helper.to_array(self._stored[name]).astype(np.float16)
                self.weights.append(numpy_helper.from_array(numbers, half))
                self._there.add(half)
            else:
                self._cast(name, half, TensorProto.FLOAT16)
        return half

    def _cast(self, name: str, result: str, kind: int) -> None:
        self.nodes.append(helper.make_node("Cast", [name], [result], name=f"{result}/cast", to=kind))
        self._there.add(result)


def _half(name: str) -> str:
    return f"{name}/half"
