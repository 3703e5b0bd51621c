"""What tests share: the data folder, a seeded generator, and the GPU's kernels over the `compiled` of tests/gpu or
tests/gpu_on_cpu."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from realtime.gpu.kernels import FaceKernels, FrameKernels, PictureKernels
from realtime.gpu.model import ModelKernels
from realtime.gpu.tone import ToneKernels

# A busy machine is no failure: speed is measured by the benches.
settings.register_profile("facet", deadline=None)
settings.load_profile("facet")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real images and clips; a test that needs it skips where it is absent."""
    folder = Path(os.environ.get("FACET_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the data folder is not at {folder} (set FACET_DATA)")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def kernels(compiled: None) -> FrameKernels:
    return FrameKernels()


@pytest.fixture
def face_kernels(kernels: FrameKernels) -> FaceKernels:
    return FaceKernels(kernels)


@pytest.fixture
def picture_kernels(compiled: None) -> PictureKernels:
    return PictureKernels()


@pytest.fixture
def model_kernels(picture_kernels: PictureKernels) -> ModelKernels:
    return ModelKernels(picture_kernels)


@pytest.fixture
def tone_kernels(picture_kernels: PictureKernels) -> ToneKernels:
    return ToneKernels(picture_kernels)
