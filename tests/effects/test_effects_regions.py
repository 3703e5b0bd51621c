"""Which triangles a mask on the flat face reaches, against the mask looked up all over each triangle."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from realtime.effects.regions import SIZE, regions
from realtime.geometry.mesh import face_mesh, reached

MESH = face_mesh()
EYES_AND_MOUTH = np.round(regions()[..., :2].max(axis=2) * 255).astype(np.uint8)


def _seen(mask: np.ndarray) -> np.ndarray:
    """(T,) the largest interpolated value of the mask on a fine grid of places in each triangle."""
    shares = np.array([(a, b, 20 - a - b) for a in range(21) for b in range(21 - a)], np.float32) / 20
    places = np.einsum("pc,tcx->tpx", shares, MESH.uv[MESH.triangles]) * SIZE - 0.5
    found = cv2.remap(mask.astype(np.float32), places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found.max(axis=1))


@pytest.mark.parametrize("what", ["eyes and mouth", "a dot", "a corner", "all of it", "nothing"])
def test_no_triangle_that_a_mask_reaches_is_left_out(what: str) -> None:
    mask = {
        "eyes and mouth": EYES_AND_MOUTH,
        "a dot": np.pad(np.full((1, 1), 1, np.uint8), ((140, SIZE - 141), (120, SIZE - 121))),
        "a corner": np.pad(np.full((9, 9), 255, np.uint8), ((0, SIZE - 9), (0, SIZE - 9))),
        "all of it": np.full((SIZE, SIZE), 255, np.uint8),
        "nothing": np.zeros((SIZE, SIZE), np.uint8),
    }[what]
    touched = reached(MESH.triangles, MESH.uv * SIZE, mask)
    assert touched.shape == (len(MESH.triangles),)
    assert touched[_seen(mask) > 0].all()
    if what == "nothing":
        assert not touched.any()


def test_few_triangles_are_taken_that_the_eyes_and_the_mouth_do_not_reach() -> None:
    touched, seen = reached(MESH.triangles, MESH.uv * SIZE, EYES_AND_MOUTH), _seen(EYES_AND_MOUTH) > 0
    assert 0.2 < seen.mean() <= touched.mean() < seen.mean() + 0.1
