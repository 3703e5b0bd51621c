"""Measures how the mean face curves between its keypoints, and writes engines/weights/relief.npz.

python -m training relief
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.geometry.relief import RELIEF
from training import data
from training.relief import measured_relief


@dataclass(frozen=True)
class Config:
    """Measure how the mean face curves between its keypoints."""


def train(config: Config) -> None:
    """Measure and write."""
    behind = measured_relief(data.ict_face())
    np.savez_compressed(RELIEF, behind=behind.astype(np.float16))
    print(f"{behind.min():+.2f} to {behind.max():+.2f} eye distances behind the keypoints' own surface")
