"""Every mode on one painted scene, against pictures kept beside this file: a change of looks is to be seen and meant.

After a change that is meant: `FACET_WRITE_GOLDEN=1 pytest tests/test_renderer_golden.py`, then look at them.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from faces_making import frame_of, portrait, posed_face

from realtime.controls import Mode, Settings
from realtime.effects.photo import person
from realtime.frame import Pose
from realtime.renderer import Renderer, RenderOptions

GOLDEN = Path(__file__).resolve().parent / "golden"
SIZE = (160, 128)


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.OFF])
def test_it_looks_as_it_did(mode: Mode) -> None:
    face = posed_face(Pose(-12, 4, 6), 46, (80, 69))
    frame = frame_of(portrait(face.points, SIZE))
    source = posed_face(Pose(8, 0, -3), 100, (150, 150))
    somebody = person("somebody", [(portrait(source.points, (300, 300), skin=(170, 120, 95), seed=4), source)])
    renderer = Renderer(RenderOptions(people=(somebody,)))
    renderer.open()
    picture = renderer.draw(frame, (face,), Settings(mode, yaw=25)).frame.pixels
    renderer.close()

    path = GOLDEN / f"{mode}.png"
    if os.environ.get("FACET_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    golden = cv2.imread(str(path))
    assert golden is not None, f"{path} is missing: write it, see this file's first lines"
    difference = np.abs(picture.astype(int) - golden[..., ::-1])
    # drivers round differently and light lines differently; a few letters of the legend may differ by OpenCV version
    assert difference.mean() <= 1
    assert np.percentile(difference, 99) <= 12
