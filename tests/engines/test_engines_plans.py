"""Plans by TensorRT for RTX itself, which compiles for cards that are not there."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

import engines
from engines import EngineError
from engines.nvidia import Gpu
from engines.runtime import plans
from engines.runtime.plans import BATCHES, PlanBuilder, library, profile_of

if sys.platform == "darwin" or platform.machine() not in ("x86_64", "AMD64"):
    pytest.skip("TensorRT for RTX is made for Linux and Windows on x86-64", allow_module_level=True)

CARDS = [
    Gpu("NVIDIA GeForce RTX 3080", (8, 6)),
    Gpu("NVIDIA GeForce RTX 4090", (8, 9)),
    Gpu("NVIDIA GeForce RTX 5090", (12, 0)),
]


@pytest.fixture
def builder(tmp_path: Path) -> PlanBuilder:
    return PlanBuilder(library(), CARDS[1], tmp_path / "plans")


@pytest.mark.parametrize("path", sorted(engines.WEIGHTS.glob("*.onnx")), ids=lambda path: path.stem)
def test_every_deployed_network_compiles(path: Path, builder: PlanBuilder) -> None:
    plan = builder.plan(path.stem, path)
    assert plan.stat().st_size > path.stat().st_size / 3, "the weights are in it, most in half precision"


@pytest.mark.parametrize("gpu", CARDS, ids=lambda gpu: gpu.name)
def test_every_generation_of_cards_has_plans_of_its_own(gpu: Gpu, tmp_path: Path) -> None:
    network = engines.WEIGHTS / "depthnet.onnx"
    plan = PlanBuilder(library(), gpu, tmp_path).plan("depthnet", network)
    assert gpu.name.lower().replace(" ", "-") in plan.name
    assert library().__version__ in plan.name


def test_what_keeps_float32_is_not_rounded_to_ten_bits(builder: PlanBuilder) -> None:
    """TensorRT may do that by default, and coordinates would be off by a tenth of a pixel."""
    trt = builder.tensorrt
    maker = trt.Builder(plans.make_log(trt))
    assert maker.create_builder_config().get_flag(trt.BuilderFlag.TF32)
    assert not builder._config(maker, "any").get_flag(trt.BuilderFlag.TF32)


def test_nothing_is_compiled_twice(builder: PlanBuilder, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = builder.plan("small", folder / "small.onnx")
    monkeypatch.setattr(builder.tensorrt, "Builder", None)
    assert builder.plan("small", folder / "small.onnx") == first
    (folder / "small.onnx").write_bytes((folder / "fixed.onnx").read_bytes())
    assert not builder.path("small", folder / "small.onnx").exists(), "another network, another plan"


def test_plans_for_something_else_are_remarked_on(builder: PlanBuilder, folder: Path) -> None:
    network = folder / "small.onnx"
    assert builder.remarks("small", network) == (), "the first plan is no news"
    other = PlanBuilder(builder.tensorrt, CARDS[2], builder.folder)
    other.folder.mkdir()
    other.path("small", network).touch()
    (remark,) = builder.remarks("small", network)
    assert remark.startswith("The network 'small' is compiled for NVIDIA GeForce RTX 4090 by tensorrt_rtx")
    assert "nvidia-geforce-rtx-5090" in remark
    builder.plan("small", network)
    assert builder.remarks("small", network) == ()


def test_no_memory_while_a_plan_is_made_is_explained(
    builder: PlanBuilder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Poor(builder.tensorrt.Builder):  # type: ignore[misc,name-defined]
        def __init__(self, log: Any) -> None:
            super().__init__(log)
            self._log = log

        def build_serialized_network(self, definition: Any, config: Any) -> None:
            self._log.log(builder.tensorrt.ILogger.ERROR, "Requested amount of GPU memory could not be allocated.")

    monkeypatch.setattr(builder.tensorrt, "Builder", Poor)
    with pytest.raises(
        EngineError, match=r"cannot compile the network 'small' for NVIDIA GeForce RTX 4090: Requested am"
    ):
        builder.plan("small", folder / "small.onnx")
    assert not list(builder.folder.glob("*.plan")), "nothing is left that the next start would take for a plan"


def test_progress_is_told_step_by_step(builder: PlanBuilder, folder: Path) -> None:
    told: list[tuple[str, int, int]] = []
    builder.plan("small", folder / "small.onnx", lambda *step: told.append(step))
    phases = {phase for phase, _, _ in told}
    assert phases
    for phase in phases:
        steps = [(done, most) for name, done, most in told if name == phase]
        assert all(0 <= done <= most for done, most in steps)
        assert steps[0][0] == 0
        assert steps[-1][0] == steps[-1][1]


def test_a_card_the_library_has_no_code_for_is_explained(tmp_path: Path, folder: Path) -> None:
    builder = PlanBuilder(library(), Gpu("NVIDIA H200", (9, 0)), tmp_path)
    with pytest.raises(EngineError, match=r"NVIDIA H200 \(compute capability 9\.0\).*install tensorrt"):
        builder.plan("small", folder / "small.onnx")


def test_a_network_the_parser_refuses_is_explained(builder: PlanBuilder, tmp_path: Path) -> None:
    shape = ["batch", 3, 3]
    graph = helper.make_graph(
        [helper.make_node("Det", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape[:1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "det.onnx")
    with pytest.raises(EngineError, match=r"parser refuses the network 'det': .*Det"):
        builder.plan("det", tmp_path / "det.onnx")
    assert not builder.folder.exists()


def test_a_damaged_network_and_a_folder_that_cannot_be_written(builder: PlanBuilder, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(EngineError, match="'bad' cannot be read"):
        builder.plan("bad", tmp_path / "bad.onnx")
    builder.folder.write_text("a file")
    with pytest.raises(EngineError, match="cannot be written"):
        builder.plan("depthnet", engines.WEIGHTS / "depthnet.onnx")


def test_batches_find_the_profile_made_for_them() -> None:
    for batch in range(1, engines.MAX_BATCH + 1):
        place = profile_of(batch)
        assert batch <= BATCHES[place]
        assert place == 0 or batch > BATCHES[place - 1]


def test_without_the_library_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(plans, "import_module", missing)
    with pytest.raises(EngineError, match=r"tensorrt_rtx.*pip install tensorrt-rtx-cu13"):
        library()
