"""How the CUDA kernels are compiled: by nvcc where it is, and by a stand-in of our own making."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

import pytest

from engines import kernels
from engines.errors import EngineError
from engines.kernels import CudaSource
from engines.lstsq.kernel import LSTSQ
from realtime.gpu.sources import SOURCES


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.path.name)
def test_nvcc_compiles_it_for_every_target_without_a_warning(source: CudaSource, tmp_path: Path) -> None:
    if kernels.find_nvcc() is None:
        pytest.skip("there is no nvcc (CUDA's toolkit, or pip install nvidia-cuda-nvcc)")
    path = source.build(tmp_path)
    assert path == source.fatbin(tmp_path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    ptx, machine_code = 1, 2
    assert contents(path.read_bytes()) == {(ptx, 80), *((machine_code, target) for target in kernels.TARGETS)}


def contents(fatbin: bytes) -> set[tuple[int, int]]:
    """Kind and target of each part: a header of 16 bytes, then parts whose own headers give sizes."""
    magic, _, header, size = struct.unpack_from("<IHHQ", fatbin)
    assert magic == 0xBA55ED50
    parts, start = set(), header
    while start < header + size:
        kind, _, header_size, part_size = struct.unpack_from("<HHIQ", fatbin, start)
        parts.add((kind, struct.unpack_from("<I", fatbin, start + 28)[0]))
        start += header_size + part_size
    return parts


def script(path: Path, lines: str) -> Path:
    """An nvcc of our own making."""
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for nvcc is a shell script")
class TestBuild:
    def test_it_compiles_once(self, tmp_path: Path) -> None:
        counts = tmp_path / "calls"
        nvcc = script(tmp_path / "nvcc", f'echo x >>{counts}; while [ "$1" != -o ]; do shift; done; echo code >"$2"')
        path = LSTSQ.build(tmp_path / "cache", nvcc)
        assert path.read_text() == "code\n"
        assert LSTSQ.build(tmp_path / "cache", nvcc) == path
        assert counts.read_text() == "x\n"

    def test_a_changed_source_is_another_file(self, tmp_path: Path) -> None:
        before = LSTSQ.fatbin(tmp_path)
        changed = tmp_path / "lstsq.cu"
        changed.write_bytes(LSTSQ.path.read_bytes() + b"\n")
        assert CudaSource(changed, LSTSQ.constants).fatbin(tmp_path) != before
        assert CudaSource(LSTSQ.path, {}).fatbin(tmp_path) != before

    def test_a_failure_is_one_sentence_and_leaves_nothing(self, tmp_path: Path) -> None:
        nvcc = script(
            tmp_path / "nvcc", 'while [ "$1" != -o ]; do shift; done; echo half >"$2"; echo "no such GPU" >&2; exit 1'
        )
        with pytest.raises(EngineError, match=r"lstsq\.cu was refused by .*nvcc: no such GPU\."):
            LSTSQ.build(tmp_path / "cache", nvcc)
        assert not list((tmp_path / "cache" / "lstsq").iterdir())

    def test_a_folder_or_compiler_that_is_not_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").write_text("no folder")
        with pytest.raises(EngineError, match="cannot be compiled into"):
            LSTSQ.build(tmp_path / "file", script(tmp_path / "nvcc", "exit 0"))
        with pytest.raises(EngineError, match="cannot be compiled into"):
            LSTSQ.build(tmp_path / "cache", tmp_path / "none")
        monkeypatch.setattr(kernels, "find_nvcc", lambda: None)
        with pytest.raises(EngineError, match="without nvcc: install CUDA"):
            LSTSQ.build(tmp_path / "cache")

    def test_where_nvcc_is_looked_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for place in ("home/bin", "path", "site/nvidia/cu13/bin"):
            (tmp_path / place).mkdir(parents=True)
            script(tmp_path / place / "nvcc", "exit 0")
        monkeypatch.setenv("CUDA_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("PATH", str(tmp_path / "path"))
        monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
        assert kernels.find_nvcc() == tmp_path / "home/bin/nvcc"
        monkeypatch.delenv("CUDA_HOME")
        assert kernels.find_nvcc() == tmp_path / "path/nvcc"
        monkeypatch.setenv("PATH", "")
        assert kernels.find_nvcc() == tmp_path / "site/nvidia/cu13/bin/nvcc"
        monkeypatch.setattr(sys, "path", [])
        assert kernels.find_nvcc() is None
