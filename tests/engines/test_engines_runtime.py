"""The engine contract on small networks made here: shapes, buffers, threads, the cache, and files that are none."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

import engines
from engines import EngineError


@pytest.fixture
def engine(folder: Path) -> engines.Engine:
    return engines.load("small", threads=1, folder=folder)


def test_it_says_what_it_is(engine: engines.Engine) -> None:
    assert [str(item) for item in engine.spec.inputs] == ["a float32(B, 3)", "b float32(B, 3)"]
    assert [(item.name, item.shape) for item in engine.spec.outputs] == [("total", (-1, 3)), ("product", (-1, 3))]
    assert engine.runtime.startswith("openvino ")
    assert engine.precision == "float32"


@pytest.mark.parametrize("batch", [1, 2, 5, engines.MAX_BATCH])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_a_call_computes(engine: engines.Engine, rng: np.random.Generator, batch: int, dtype: type) -> None:
    a, b = (rng.uniform(0, 9, (batch, 3)).astype(dtype) for _ in range(2))
    total, product = engine(a, b)
    np.testing.assert_allclose(total, a.astype(np.float32) + b, rtol=1e-6)
    np.testing.assert_allclose(product, a.astype(np.float32) * b, rtol=1e-6)


def test_results_belong_to_the_caller(engine: engines.Engine) -> None:
    first, _ = engine(np.ones((1, 3)), np.ones((1, 3)))
    engine(np.zeros((1, 3)), np.zeros((1, 3)))
    np.testing.assert_array_equal(first, 2)


def test_bound_buffers_are_used_in_place(engine: engines.Engine) -> None:
    buffers = engine.bind(2)
    for value in (1, 5):
        buffers.inputs[0][:] = value
        buffers.inputs[1][:] = 2
        engine.run()
        np.testing.assert_array_equal(buffers.outputs[0], np.full((2, 3), value + 2))
        np.testing.assert_array_equal(buffers.outputs[1], np.full((2, 3), value * 2))
    assert engine.bind(2) is buffers
    assert engine.bind(1) is not buffers


@pytest.mark.parametrize(
    "shapes",
    [
        [],
        [(1, 3)],
        [(1, 3)] * 3,
        [(1, 3), (2, 3)],
        [(1, 4), (1, 4)],
        [(3,), (3,)],
        [(), ()],
        [(0, 3)] * 2,
        [(17, 3)] * 2,
    ],
)
def test_wrong_shapes_are_refused_before_anything_is_computed(
    engine: engines.Engine, shapes: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def computed(stream: object | None = None) -> None:
        raise AssertionError("it computed")

    monkeypatch.setattr(engine, "run", computed)
    with pytest.raises(EngineError, match="'small' was given"):
        engine(*(np.zeros(shape, np.float32) for shape in shapes))


def test_wrong_types_are_refused(engine: engines.Engine) -> None:
    with pytest.raises(EngineError, match="complex"):
        engine(np.zeros((1, 3), complex), np.zeros((1, 3)))


def test_run_needs_buffers(engine: engines.Engine) -> None:
    with pytest.raises(EngineError, match="bind"):
        engine.run()


def test_a_network_may_fix_its_batch(folder: Path) -> None:
    engine = engines.load("fixed", folder=folder)
    assert engine(np.ones((1, 3)), np.ones((1, 3)))[0].shape == (1, 3)
    with pytest.raises(EngineError, match=r"a float32\(1, 3\)"):
        engine(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(EngineError, match="exactly 1"):
        engine.bind(2)


def test_many_threads_share_an_engine(engine: engines.Engine) -> None:
    wrong: list[int] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(50):
            a, b = rng.random((2, 1 + seed % 3, 3), dtype=np.float32)
            total, product = engine(a, b)
            if not (np.allclose(total, a + b) and np.allclose(product, a * b)):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_compiled_networks_are_cached_and_a_damaged_cache_does_no_harm(folder: Path) -> None:
    ones = np.ones((1, 3))
    engines.load("small", folder=folder)(ones, ones)
    blobs = [path for path in (folder / "cache").rglob("*") if path.is_file()]
    assert blobs
    for blob in blobs:
        blob.chmod(0o600)
        blob.write_bytes(b"damaged")
    np.testing.assert_array_equal(engines.load("small", folder=folder)(ones, ones)[0], 2)


def test_a_cache_that_cannot_be_made_does_no_harm(folder: Path) -> None:
    (folder / "file").write_text("not a folder")
    engine = engines.load("small", folder=folder, cache=folder / "file" / "cache")
    np.testing.assert_array_equal(engine(np.ones((1, 3)), np.ones((1, 3)))[0], 2)


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_the_cache_has_a_place_on_every_system(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACET_CACHE", raising=False)
    monkeypatch.setattr("sys.platform", platform)
    folder = engines.cache_folder()
    assert folder.is_absolute()
    assert "facet" in folder.parts


@pytest.mark.parametrize("content", [b"", b"no network at all", b"\x08\x07" + os.urandom(200)])
def test_a_damaged_file_is_one_clear_error(folder: Path, content: bytes) -> None:
    (folder / "bad.onnx").write_bytes(content)
    with pytest.raises(EngineError, match=r"'bad'.*bad\.onnx"):
        engines.load("bad", folder=folder)


def test_a_truncated_file_is_one_clear_error(folder: Path) -> None:
    whole = (folder / "small.onnx").read_bytes()
    (folder / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EngineError, match=r"'cut'.*cut\.onnx"):
        engines.load("cut", folder=folder)


def test_what_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(EngineError, match=r"'nobody'.*fixed, open, small"):
        engines.load("nobody", folder=folder)
    with pytest.raises(EngineError, match="'quantum'"):
        engines.load("small", runtime="quantum", folder=folder)
    with pytest.raises(EngineError, match="0 threads"):
        engines.load("small", threads=0, folder=folder)


def test_open_axes_other_than_the_batch_are_refused(folder: Path) -> None:
    with pytest.raises(EngineError, match="open shape"):
        engines.load("open", folder=folder)
