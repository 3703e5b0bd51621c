"""An .onnx graph's operators as torch's: what the torch runtime computes with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from onnx import ModelProto, NodeProto, helper, numpy_helper
from torch.nn import functional

from engines.errors import EngineError
from engines.runtime.base import Array

Operation = Callable[..., Any]


class Program:
    """The operations of a graph whose sizes are all known, one after the other.

    Args:
        name: of the network, for errors.
        model: see `fold_constants`.
        device: the torch.device that computes.
        channels_last: convolutions keep the channels of a pixel beside each other, as tensor cores want them.

    Raises:
        EngineError: the graph has an operator that is not in `OPERATIONS`, or a kind of it that is not.
    """

    def __init__(self, name: str, model: ModelProto, device: Any, channels_last: bool = False) -> None:
        graph = model.graph
        numbers = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._constants = {key: torch.from_numpy(value.copy()).to(device) for key, value in numbers.items()}
        for node in graph.node if channels_last else ():
            if node.op_type == "Conv" and node.input[1] in numbers:  # what it gives is laid out as its weight is
                weight = self._constants[node.input[1]]
                self._constants[node.input[1]] = weight.contiguous(memory_format=torch.channels_last)
        self._inputs = [value.name for value in graph.input]
        self._outputs = [value.name for value in graph.output]
        self._steps: list[tuple[Operation, list[str], str]] = []
        for node in graph.node:
            if node.op_type not in OPERATIONS or len([output for output in node.output if output]) != 1:
                raise EngineError(
                    f"The network '{name}' has the operator {node.op_type}, which the torch runtime lacks."
                )
            operation = OPERATIONS[node.op_type](_Node(name, node, numbers))
            self._steps.append((operation, list(node.input), node.output[0]))

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        values: dict[str, Any] = self._constants | dict(zip(self._inputs, inputs, strict=True)) | {"": None}
        for operation, names, result in self._steps:
            values[result] = operation(*(values[name] for name in names))
        return [values[name] for name in self._outputs]


class _Node:
    """What an operation is made of: attributes, and inputs that are numbers."""

    def __init__(self, network: str, node: NodeProto, numbers: dict[str, Array]) -> None:
        self._network = network
        self._type = node.op_type
        self._inputs = node.input
        self._numbers = numbers
        self._attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}

    def attribute(self, name: str, default: Any = None) -> Any:
        """Text as str."""
        value = self._attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def given(self, place: int) -> bool:
        return place < len(self._inputs) and self._inputs[place] != ""

    def numbers(self, place: int) -> list[Any]:
        """An input as a list."""
        if self._inputs[place] not in self._numbers:
            raise self.refused(f"whose input {place} is computed")
        values: list[Any] = self._numbers[self._inputs[place]].reshape(-1).tolist()
        return values

    def refused(self, what: str) -> EngineError:
        return EngineError(f"The network '{self._network}' has a {self._type} {what}, which the torch runtime lacks.")


def _plain(function: Operation) -> Callable[[_Node], Operation]:
    """An operator that is a function of its inputs alone."""
    return lambda node: function


def _convolution(node: _Node) -> Operation:
    pads = node.attribute("pads", [0, 0, 0, 0])
    if node.attribute("auto_pad", "NOTSET") != "NOTSET" or len(pads) != 4:
        raise node.refused("that is not 2D or pads by itself")
    top, left, bottom, right = pads
    even = (top, left) == (bottom, right)
    options = {
        "stride": node.attribute("strides", [1, 1]),
        "dilation": node.attribute("dilations", [1, 1]),
        "groups": node.attribute("group", 1),
        "padding": [top, left] if even else 0,
    }

    def apply(x: Any, weight: Any, bias: Any = None) -> Any:
        padded = x if even else functional.pad(x, (left, right, top, bottom))
        return functional.conv2d(padded, weight, bias, **options)

    return apply


def _batch_norm(node: _Node) -> Operation:
    epsilon = node.attribute("epsilon", 1e-5)
    return lambda x, scale, shift, mean, variance: functional.batch_norm(x, mean, variance, scale, shift, eps=epsilon)


def _gemm(node: _Node) -> Operation:
    alpha, beta = node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
    left, right = node.attribute("transA", 0), node.attribute("transB", 0)

    def apply(a: Any, b: Any, c: Any = None) -> Any:
        product = alpha * ((a.mT if left else a) @ (b.mT if right else b))
        return product if c is None else product + beta * c

    return apply


def _resize(node: _Node) -> Operation:
    modes = (
        node.attribute("mode", "nearest"),
        node.attribute("coordinate_transformation_mode", "half_pixel"),
        node.attribute("nearest_mode", "round_prefer_floor"),
    )
    if modes == ("nearest", "asymmetric", "floor"):
        options: dict[str, Any] = {"mode": "nearest"}
    elif modes[0] == "linear" and modes[1] in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        options = {"mode": "bilinear", "align_corners": modes[1] == "align_corners"}
    else:
        raise node.refused(f"of the kind {', '.join(modes)}")
    if node.given(3):
        size = [int(side) for side in node.numbers(3)[2:]]
        return lambda x, *_: functional.interpolate(x, size=size, **options)
    scales = node.numbers(2)[2:]
    return lambda x, *_: functional.interpolate(
        x, size=[int(scale * side) for scale, side in zip(scales, x.shape[2:], strict=True)], **options
    )


def _slice(node: _Node) -> Operation:
    starts, ends = node.numbers(1), node.numbers(2)
    axes = node.numbers(3) if node.given(3) else range(len(starts))
    steps = node.numbers(4) if node.given(4) else [1] * len(starts)
    if min(steps) < 1:
        raise node.refused("that runs backwards")
    parts = {axis: slice(*part) for axis, *part in zip(axes, starts, ends, steps, strict=True)}
    return lambda x, *_: x[tuple(parts.get(axis, parts.get(axis - x.ndim, slice(None))) for axis in range(x.ndim))]


def _gather(node: _Node) -> Operation:
    axis = node.attribute("axis", 0)

    def apply(x: Any, index: Any) -> Any:
        side = x.shape[axis]
        rows = x.index_select(axis, torch.where(index < 0, index + side, index).reshape(-1))
        place = axis % x.ndim
        return rows.reshape(*x.shape[:place], *index.shape, *x.shape[place + 1 :])

    return apply


def _reshape(node: _Node) -> Operation:
    shape = node.numbers(1)
    return lambda x, _: x.reshape([x.shape[axis] if side == 0 else side for axis, side in enumerate(shape)])


def _unsqueeze(node: _Node) -> Operation:
    axes = node.numbers(1)

    def apply(x: Any, _: Any) -> Any:
        for axis in sorted(axis % (x.ndim + len(axes)) for axis in axes):
            x = x.unsqueeze(axis)
        return x

    return apply


def _reduce(function: Operation) -> Callable[[_Node], Operation]:
    """A reduction over axes, which newer operators take as an input."""

    def make(node: _Node) -> Operation:
        axes = node.numbers(1) if node.given(1) else node.attribute("axes")
        keep = bool(node.attribute("keepdims", 1))
        if not axes:
            raise node.refused("over all axes")
        return lambda x, *_: function(x, dim=axes, keepdim=keep)

    return make


def _arg_max(node: _Node) -> Operation:
    axis, keep = node.attribute("axis", 0), bool(node.attribute("keepdims", 1))
    return lambda x: x.argmax(dim=axis, keepdim=keep)


def _cast(node: _Node) -> Operation:
    kind = torch.from_numpy(np.zeros(0, helper.tensor_dtype_to_np_dtype(node.attribute("to")))).dtype
    return lambda x: x.to(kind)


def _concat(node: _Node) -> Operation:
    axis = node.attribute("axis")
    return lambda *parts: torch.cat(parts, dim=axis)


def _softmax(node: _Node) -> Operation:
    axis = node.attribute("axis", -1)
    return lambda x: x.softmax(dim=axis)


def _transpose(node: _Node) -> Operation:
    order = node.attribute("perm")
    return lambda x: x.permute(order if order else tuple(reversed(range(x.ndim))))


def _depth_to_space(node: _Node) -> Operation:
    block, mode = node.attribute("blocksize"), node.attribute("mode", "DCR")
    if mode != "CRD":
        raise node.refused(f"of the order {mode}")
    return lambda x: functional.pixel_shuffle(x, block)


def _expand(node: _Node) -> Operation:
    shape = node.numbers(1)
    return lambda x, _: x.expand(torch.broadcast_shapes(x.shape, shape))


def _flatten(node: _Node) -> Operation:
    axis = node.attribute("axis", 1)
    return lambda x: x.reshape(int(np.prod(x.shape[:axis])), -1)


# what the deployed networks are made of
OPERATIONS: dict[str, Callable[[_Node], Operation]] = {
    "Abs": _plain(torch.abs),
    "Add": _plain(torch.add),
    "ArgMax": _arg_max,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _plain(torch.clamp),
    "Concat": _concat,
    "Conv": _convolution,
    "DepthToSpace": _depth_to_space,
    "Div": _plain(torch.div),
    "Exp": _plain(torch.exp),
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "LessOrEqual": _plain(torch.le),
    "Log": _plain(torch.log),
    "Mul": _plain(torch.mul),
    "ReduceL2": _reduce(torch.linalg.vector_norm),
    "ReduceMax": _reduce(torch.amax),
    "ReduceMean": _reduce(torch.mean),
    "ReduceSum": _reduce(torch.sum),
    "Relu": _plain(torch.relu),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": _plain(torch.sigmoid),
    "Slice": _slice,
    "Softmax": _softmax,
    "Softplus": _plain(functional.softplus),
    "Sqrt": _plain(torch.sqrt),
    "Sub": _plain(torch.sub),
    "Tanh": _plain(torch.tanh),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
