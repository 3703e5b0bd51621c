"""From a trained torch module to the deployed file, and back."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from engines.runtime.folding import fold_constants

OPSET = 17
_LARGE = 1024  # numbers from which on a tensor's storage counts


def export(
    module: nn.Module,
    path: Path,
    inputs: dict[str, np.ndarray],
    outputs: tuple[str, ...],
    dynamic: bool = True,
    bfloat16: bool = False,
    half: bool = False,
) -> None:
    """Writes `path` (.onnx) and, beside it, the answers torch gives to `inputs` (.check.npz: in_0.., out_0..).

    Initialisers keep their names in `state_dict`, so that `load_weights` reads the same file back.

    Args:
        module: in eval mode, on the CPU.
        path: NAME.onnx.
        inputs: input name → float32 example, batch first; also what the reference answers are made of.
        outputs: names of the module's results, in order.
        dynamic: take any number of rows, not only the example's.
        bfloat16: note in the file that the network gives the same answers, to what matters, where a CPU multiplies in
            bfloat16 (`engines.runtime.openvino`).
        half: store the larger weights in float16, half the size; they are rounded to it, and computed with in float32.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    module = _rounded(module) if half else module
    tensors = tuple(torch.from_numpy(value) for value in inputs.values())
    axes = {name: {0: "batch"} for name in (*inputs, *outputs)} if dynamic else None
    torch.onnx.export(
        module,
        tensors,
        str(path),
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
        training=torch.onnx.TrainingMode.PRESERVE,  # EVAL would fuse the norms into nameless weights
        do_constant_folding=False,
    )
    with torch.no_grad():
        answers = module(*tensors)
    answers = answers if isinstance(answers, tuple) else (answers,)
    _tidy(path, {"precision": "bfloat16"} if bfloat16 else {}, [tuple(answer.shape) for answer in answers], half)
    arrays = {f"in_{i}": value for i, value in enumerate(inputs.values())}
    arrays |= {f"out_{i}": value.numpy() for i, value in enumerate(answers)}
    np.savez_compressed(path.with_suffix(".check.npz"), **arrays)


def stored_weights(path: Path) -> dict[str, Tensor]:
    """The weights of an exported file by their names in the module, float32."""
    tensors = onnx.load(path).graph.initializer
    return {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32)) for tensor in tensors}


def load_weights(module: nn.Module, path: Path) -> nn.Module:
    """`module` with the weights of an exported file, in eval mode. Raises KeyError where a weight is not in it."""
    stored = stored_weights(path)
    wanted = {name for name in module.state_dict() if not name.endswith("num_batches_tracked")}
    module.load_state_dict({name: stored[name] for name in wanted}, strict=False)
    return module.eval()


def mixed(module: nn.Module, path: Path, share: float) -> nn.Module:
    """`share` of a module's weights and the rest of an exported file's, which it was trained on from; in place.

    Between two such networks lie better ones than either (Wortsman et al. 2022).
    """
    before = load_weights(copy.deepcopy(module), path).state_dict()
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                value.lerp_(before[name], 1 - share)
    return module


def _rounded(module: nn.Module) -> nn.Module:
    """A copy whose larger weights are numbers that float16 has, too."""
    rounded = copy.deepcopy(module)
    with torch.no_grad():
        for weights in rounded.parameters():
            if weights.numel() >= _LARGE:
                weights.copy_(weights.half())
    return rounded


def _tidy(path: Path, notes: dict[str, str], shapes: list[tuple[int, ...]], half: bool) -> None:
    """The exporter stores equal weights once and refers to them; here each gets its own initialiser again.

    What it leaves to be computed of sizes and indices becomes numbers. `notes` become the file's metadata, and `shapes`
    those of its outputs, but for the number of rows.
    """
    model = onnx.load(path)
    helper.set_model_props(model, notes)
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in [n for n in graph.node if n.op_type == "Identity" and n.input[0] in stored]:
        twin = onnx.TensorProto()
        twin.CopyFrom(stored[node.input[0]])
        twin.name = node.output[0]
        graph.initializer.append(twin)
        graph.node.remove(node)
    model = fold_constants(model)
    for output, shape in zip(model.graph.output, shapes, strict=True):  # the exporter does not know the sizes of all
        for side, size in zip(list(output.type.tensor_type.shape.dim)[1:], shape[1:], strict=True):
            side.dim_value = size
    if half:
        _halve_storage(model.graph)
    onnx.save(model, path)


def _halve_storage(graph: onnx.GraphProto) -> None:
    """Larger float32 initialisers become float16 under the same name, and a cast behind each gives float32 again."""
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= _LARGE:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), tensor.name))
            casts.append(helper.make_node("Cast", [tensor.name], [f"{tensor.name}.float32"], to=onnx.TensorProto.FLOAT))
    wide = {cast.input[0]: cast.output[0] for cast in casts}
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in graph.node]
    for node in nodes:
        node.input[:] = [wide.get(name, name) for name in node.input]
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
