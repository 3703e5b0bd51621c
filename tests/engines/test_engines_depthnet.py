"""DepthNet's two cases: sizes, the published start, shared weights, and the runtimes' answers against torch's."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import openvino
import pytest
import torch
from torch import nn

import engines
from engines.lstsq import solve
from engines.lstsq.gauge import canonical_depth
from engines.networks.depthnet import DepthNet
from engines.networks.depthnet_siamese import FEATURES, SIZE, SiameseDepthNet
from realtime.geometry.box import boxed
from realtime.geometry.template import template
from realtime.geometry.topology import LANDMARKS
from training.export import export
from training.ict import ViewRanges, random_views, rotations

LARGEST_SHIFT = 0.1  # pixels of the 80 px crop


def faces(count: int) -> np.ndarray:
    """(count, 68, 2) mean faces from random directions, in box units."""
    rng = np.random.default_rng(0)
    angles, _ = random_views(count, ViewRanges(yaw=40), rng)
    turned = template()[:LANDMARKS] @ rotations(angles).transpose(0, 2, 1)
    return boxed(turned + 0.02 * rng.standard_normal(turned.shape)).astype(np.float32)


def inputs(case: str, count: int) -> dict[str, np.ndarray]:
    """What a network of that case takes."""
    points = faces(count)
    given = {"source": points, "target": np.roll(points, 1, axis=0)}
    if case == "A":
        images = np.random.default_rng(1).random((count, SIZE, SIZE), np.float32)
        given |= {"source_image": images, "target_image": np.roll(images, 1, axis=0)}
    return given


@cache
def network(case: str) -> nn.Module:
    """With a last layer as after some training: at the start it ignores what it sees."""
    torch.manual_seed(2)
    net = SiameseDepthNet(affine=True) if case == "A" else DepthNet(affine=True)
    nn.init.normal_(net.out.weight, std=0.005)
    return net.eval()


def ask(net: nn.Module, given: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    with torch.no_grad():
        answer = net(*(torch.from_numpy(value) for value in given.values()))
    return tuple(part.numpy() for part in (answer if isinstance(answer, tuple) else (answer,)))


@pytest.mark.parametrize(("affine", "outputs"), [(False, 68), (True, 76)])
def test_case_b_has_two_hidden_layers_of_256(affine: bool, outputs: int) -> None:
    shapes = [tuple(layer.weight.shape) for layer in DepthNet(affine=affine).modules() if isinstance(layer, nn.Linear)]
    assert shapes == [(256, 272), (256, 256), (outputs, 256)]


@pytest.mark.parametrize(("affine", "outputs"), [(False, 68), (True, 76)])
def test_case_a_has_the_published_widths(affine: bool, outputs: int) -> None:
    net = SiameseDepthNet(affine)
    convolutions = [(*layer.weight.shape, layer.padding) for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    assert convolutions == [(32, 1, 4, 4, (0, 0)), (48, 32, 3, 3, (0, 0)), (64, 48, 2, 2, (0, 0))]
    full = [tuple(layer.weight.shape) for layer in net.modules() if isinstance(layer, nn.Linear)]
    assert full == [(2048, 8192), (512, 2048), (256, 784), (outputs, 256)]
    assert net.features(torch.rand(3, SIZE, SIZE)).shape == (3, FEATURES) == (3, 4096)


@pytest.mark.parametrize("case", ["A", "B"])
def test_it_starts_as_published(case: str) -> None:
    torch.manual_seed(0)
    net = SiameseDepthNet(affine=True) if case == "A" else DepthNet(affine=True)
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Linear | nn.Conv2d) and layer is not net.out]
    for layer in layers:
        area = layer.weight[0, 0].numel()
        limit = np.sqrt(2) * np.sqrt(6 / (area * (layer.weight.shape[0] + layer.weight.shape[1])))
        assert 0.95 * limit < layer.weight.abs().max() <= limit
        assert not layer.bias.any()
    assert not net.out.weight.any()
    assert 0.4 < net.out.bias[:LANDMARKS].std() < 0.6
    depth, affine = ask(net, inputs(case, 3))
    np.testing.assert_allclose(affine, np.tile(np.eye(2, 4, dtype=np.float32), (3, 1, 1)))
    np.testing.assert_allclose(depth.mean(axis=1), 0, atol=1e-6)
    assert (depth == depth[0]).all()


@pytest.mark.parametrize("case", ["A", "B"])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_any_number_of_faces(case: str, count: int) -> None:
    depth, affine = ask(network(case), inputs(case, count))
    assert depth.shape == (count, LANDMARKS) and affine.shape == (count, 2, 4)


@pytest.mark.parametrize("case", ["A", "B"])
def test_faces_do_not_see_each_other(case: str) -> None:
    net, given = network(case), inputs(case, 4)
    alone = ask(net, {key: value[2:3] for key, value in given.items()})[0]
    np.testing.assert_allclose(alone[0], ask(net, given)[0][2], atol=1e-5)


def test_case_a_sees_both_pictures_with_the_same_weights() -> None:
    net = network("A")
    given = inputs("A", 2)
    source, target = (torch.from_numpy(given[key]) for key in ("source_image", "target_image"))
    torch.testing.assert_close(net.features(source).roll(1, 0), net.features(target), atol=1e-5, rtol=0)
    seen: list[torch.Tensor] = []
    hook = net.merge[0].register_forward_hook(lambda layer, taken, given: seen.append(taken[0]))
    ask(net, {**given, "target_image": given["source_image"]})
    hook.remove()
    torch.testing.assert_close(seen[0][:, :FEATURES], seen[0][:, FEATURES:])


def test_case_a_uses_the_pictures_and_case_b_cannot() -> None:
    net, given = network("A"), inputs("A", 2)
    dark = {**given, "source_image": np.zeros_like(given["source_image"])}
    assert np.abs(ask(net, given)[0] - ask(net, dark)[0]).max() > 1e-3
    assert list(inputs("B", 1)) == ["source", "target"]


def moved(given: dict[str, np.ndarray], depth: np.ndarray, affine: np.ndarray | None) -> np.ndarray:
    """(B, 68, 2) where the sources' points land, in pixels of the 80 px crop."""
    points = np.concatenate([given["source"], depth[..., None]], axis=-1).astype(np.float64)
    affine = solve(points, given["target"].astype(np.float64)) if affine is None else affine
    return 80 * (points @ affine[..., :3].swapaxes(1, 2) + affine[:, None, :, 3])


@pytest.mark.parametrize("case", ["A", "B"])
def test_openvino_agrees_with_torch(case: str, tmp_path: Path) -> None:
    """Full and half precision: mean point shift below 0.1 px of 80, canonical depths correlated above 0.999."""
    net, given = network(case), inputs(case, 3)
    depth, affine = ask(net, given)
    export(net, tmp_path / "net.onnx", given, ("depth", "affine"))
    model = openvino.Core().read_model(tmp_path / "net.onnx")
    openvino.save_model(model, tmp_path / "half.xml", compress_to_fp16=True)
    for path, precision in (("net.onnx", "f32"), ("half.xml", "f16")):
        got = runtime(tmp_path / path, precision, given)
        for affines in ((got[1], affine), (None, None)):
            shift = moved(given, got[0], affines[0]) - moved(given, depth, affines[1])
            assert np.linalg.norm(shift, axis=-1).mean() < LARGEST_SHIFT
        one, other = (canonical_depth(given["source"], values) for values in (got[0], depth))
        assert (one * other).sum(axis=1).min() > 0.999


def runtime(path: Path, precision: str, given: dict[str, np.ndarray]) -> list[np.ndarray]:
    """OpenVINO's answers; where the processor cannot multiply in half precision, the stored weights still are."""
    options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.Core().compile_model(path, "CPU", options)
    return [np.asarray(value, np.float32) for value in compiled(list(given.values())).values()]


def test_the_shipped_network_agrees_with_itself_in_half_precision() -> None:
    path = engines.WEIGHTS / "depthnet.onnx"
    with np.load(path.with_suffix(".check.npz")) as stored:
        given, wanted = {"source": stored["in_0"], "target": stored["in_1"]}, stored["out_0"]
    (got,) = runtime(path, "f16", given)
    shift = moved(given, got, None) - moved(given, wanted, None)
    assert np.linalg.norm(shift, axis=-1).mean() < LARGEST_SHIFT
    assert np.corrcoef(got.ravel(), wanted.ravel())[0, 1] > 0.999
