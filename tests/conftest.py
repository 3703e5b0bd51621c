"""What tests share: the data folder, and a seeded generator."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

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
