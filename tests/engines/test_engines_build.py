"""The compiling program on small networks: it compiles, lists, and notices a network that changed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import build_engines
from build_engines import Options
from engines import EngineError
from engines.kernels import CudaSource
from engines.lstsq.kernel import LSTSQ
from engines.nvidia import Gpu


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is compiled for a GPU this machine may have."""
    monkeypatch.setattr(build_engines, "gpus", tuple)


@pytest.fixture
def options(folder: Path) -> Options:
    """`small` and `fixed`, with reference outputs that are right."""
    (folder / "open.onnx").unlink()
    for name, batch in (("small", 4), ("fixed", 1)):
        a, b = np.random.default_rng(0).random((2, batch, 3), dtype=np.float32)
        np.savez(folder / f"{name}.check.npz", in_0=a, in_1=b, out_0=a + b, out_1=a * b)
    return Options(batches=(1, 2), weights=folder, cache=folder / "compiled")


def test_it_compiles_and_times_each_batch_size(options: Options, capsys: pytest.CaptureFixture[str]) -> None:
    assert build_engines.main(options) == 0
    rows = [line.split("│")[1:3] for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert [(name.strip(), batch.strip()) for name, batch in rows] == [("fixed", "1"), ("small", "1"), ("small", "2")]
    assert options.cache is not None
    assert {path.parent.name for path in options.cache.rglob("*.blob")} == {"fixed", "small"}


def test_list_compiles_nothing(options: Options, capsys: pytest.CaptureFixture[str]) -> None:
    assert build_engines.main(dataclasses.replace(options, list=True)) == 0
    assert not (options.weights / "compiled").exists()
    text = capsys.readouterr().out
    assert "openvino" in text
    assert "float32" in text


def test_check_passes_and_notices_a_change(options: Options, capsys: pytest.CaptureFixture[str]) -> None:
    options = dataclasses.replace(options, check=True)
    assert build_engines.main(options) == 0
    path = options.weights / "small.check.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["out_1"] = arrays["out_1"] + 0.01
    np.savez(path, **arrays)
    assert build_engines.main(options) == 1
    text = capsys.readouterr().out
    assert "off" in text
    assert "1.00e-02" in text


def test_check_needs_references(options: Options) -> None:
    (options.weights / "fixed.check.npz").unlink()
    with pytest.raises(EngineError, match=r"fixed\.check\.npz"):
        build_engines.main(dataclasses.replace(options, check=True))


def test_a_network_that_fails_is_explained_and_the_others_are_compiled(
    options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    (options.weights / "damaged.onnx").write_bytes(b"no network")
    assert build_engines.main(options) == 1
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert "'damaged' cannot be read" in err
    assert "fixed" in out
    assert "small" in out


def test_with_a_gpu_the_kernels_are_compiled_too(
    options: Options, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_engines, "gpus", lambda: (Gpu("Some GPU", (8, 0)),))
    monkeypatch.setattr(CudaSource, "build", lambda source, folder: folder / f"{source.path.stem}.fatbin")
    assert build_engines.main(options) == 0
    assert options.cache is not None
    out = capsys.readouterr().out
    for name in ("lstsq", "frame", "picture"):
        assert f"{name}.cu, for Some GPU: {options.cache / name}.fatbin" in out

    def refused(source: CudaSource, folder: Path) -> Path:
        raise EngineError("There is no nvcc.")

    monkeypatch.setattr(CudaSource, "build", refused)
    assert build_engines.main(options) == 1
    out, err = capsys.readouterr()
    assert err == "There is no nvcc.\n"
    assert "small" in out, "the networks are ready all the same"


def test_list_shows_the_kernel(options: Options, capsys: pytest.CaptureFixture[str]) -> None:
    options = dataclasses.replace(options, list=True)
    build_engines.main(options)
    row = next(line for line in capsys.readouterr().out.splitlines() if "lstsq.cu" in line)
    assert "cuda" in row
    assert [cell.strip() for cell in row.split("│")][-3:-1] == ["-", "-"]
    fatbin = LSTSQ.fatbin(options.cache)
    fatbin.parent.mkdir(parents=True)
    fatbin.write_bytes(bytes(5000))
    build_engines.main(options)
    row = next(line for line in capsys.readouterr().out.splitlines() if "lstsq.cu" in line)
    assert [cell.strip() for cell in row.split("│")][-3:-1] == ["5", "0.0 h"]


def test_an_empty_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no networks"):
        build_engines.main(Options(weights=tmp_path))


def test_what_no_network_can_do_without_is_said_once(
    options: Options, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.runtime.tensorrt.gpus", tuple)
    assert build_engines.main(dataclasses.replace(options, runtime="tensorrt")) == 2
    assert capsys.readouterr().err.count("TensorRT needs an NVIDIA GPU") == 1
