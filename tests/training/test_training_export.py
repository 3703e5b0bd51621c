"""Export: names, equal weights, any batch, and torch's answers beside the file."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx
import openvino as ov
import pytest
import torch
from torch import nn

import engines
from training.export import export, load_weights


def network() -> nn.Sequential:
    # fresh norms are all ones and zeros: the exporter stores such equal weights once
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, bias=False),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Conv2d(3, 3, 3),
        nn.BatchNorm2d(3),
        nn.Flatten(),
    ).eval()


@pytest.fixture
def exported(tmp_path: Path) -> tuple[nn.Sequential, Path]:
    torch.manual_seed(1)
    module, path = network(), tmp_path / "toy.onnx"
    export(module, path, {"image": np.random.default_rng(0).random((2, 1, 6, 6), np.float32)}, ("answer",))
    return module, path


def test_every_weight_keeps_its_name_and_comes_back(exported: tuple[nn.Sequential, Path]) -> None:
    module, path = exported
    stored = {tensor.name for tensor in onnx.load(path).graph.initializer}
    assert stored == {name for name in module.state_dict() if not name.endswith("num_batches_tracked")}
    again = load_weights(network(), path).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in module.state_dict().items())


def test_the_runtime_gives_the_stored_answers_at_any_batch(exported: tuple[nn.Sequential, Path]) -> None:
    module, path = exported
    engine = engines.load("toy", threads=1, folder=path.parent)
    check = np.load(path.with_suffix(".check.npz"))
    np.testing.assert_allclose(engine(check["in_0"])[0], check["out_0"], atol=1e-5)
    more = np.random.default_rng(1).random((5, 1, 6, 6), np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(engine(more)[0], module(torch.from_numpy(more)).numpy(), atol=1e-5)


def test_a_file_may_ask_for_bfloat16_which_the_runtime_uses_where_the_cpu_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    torch.manual_seed(1)
    image = np.random.default_rng(2).random((1, 1, 6, 6), np.float32)
    export(network(), tmp_path / "toy.onnx", {"image": image}, ("answer",), bfloat16=True)
    engine = engines.load("toy", threads=1, folder=tmp_path)
    (found,), truth = engine(image), np.load(tmp_path / "toy.check.npz")["out_0"]
    has_it = "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert engine.precision == ("bfloat16" if has_it else "float32")
    np.testing.assert_allclose(found, truth, atol=0.02)
    assert (np.abs(found - truth).max() > 1e-4) == has_it  # 8 bits of mantissa show


def test_weights_of_another_network_are_refused(exported: tuple[nn.Sequential, Path]) -> None:
    _, path = exported
    with pytest.raises(KeyError):
        load_weights(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), path)


def test_weights_stored_in_half_precision_come_back_and_give_the_stored_answers(tmp_path: Path) -> None:
    torch.manual_seed(2)
    module = nn.Sequential(nn.Conv2d(1, 64, 5), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 8, 3)).eval()
    example = {"image": np.random.default_rng(0).random((2, 1, 9, 9), np.float32)}
    before = {name: value.clone() for name, value in module.state_dict().items()}
    for name, half in (("whole", False), ("half", True)):
        export(module, tmp_path / f"{name}.onnx", example, ("answer",), half=half)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    onnx.checker.check_model(onnx.load(tmp_path / "half.onnx"), full_check=True)
    whole, halved = ((tmp_path / f"{name}.onnx").stat().st_size for name in ("whole", "half"))
    assert halved < 0.65 * whole
    again = load_weights(copy.deepcopy(module), tmp_path / "half.onnx")
    for name, value in again.state_dict().items():
        assert value.dtype == before[name].dtype
        assert torch.allclose(value, before[name], rtol=1e-3, atol=1e-6), name
    check = np.load(tmp_path / "half.check.npz")
    with torch.no_grad():
        np.testing.assert_allclose(again(torch.from_numpy(check["in_0"])).numpy(), check["out_0"], atol=1e-6)
    engine = engines.load("half", threads=1, folder=tmp_path, cache=tmp_path)
    np.testing.assert_allclose(engine(check["in_0"])[0], check["out_0"], atol=1e-4)
