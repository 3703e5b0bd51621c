"""The shipped relief is the one the recipe measures, and it fits the morphable model's surface."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.interpolate import griddata

from realtime.geometry.mesh import face_mesh
from realtime.geometry.relief import RELIEF, load_relief, relief
from realtime.geometry.template import template
from realtime.geometry.topology import eye_distance
from training import data as data_folder
from training.ict import IctFaces
from training.marks import marks
from training.relief import measured_relief


def test_the_shipped_relief_is_the_measured_one(data: Path) -> None:
    np.testing.assert_allclose(load_relief(RELIEF), measured_relief(data_folder.ict_face()), atol=2e-4)


def test_the_mean_face_comes_nearer_to_its_surface(data: Path) -> None:
    """Away from the outline, where keypoints are moved along the jaw; before, cheeks lay far behind."""
    model = data_folder.ict_face()
    unit = np.linalg.norm(np.subtract(*model.neutral[model.landmarks[[36, 45]]]))
    middle = model.neutral[model.landmarks].mean(axis=0) / unit + marks().mean(axis=0)
    surface = (model.neutral / unit - middle) / eye_distance(IctFaces(model, marks()).mean)
    surface = surface[surface[:, 2] < 0.3]
    flat = face_mesh().weights @ template()
    inside = (np.abs(flat[:, 0]) < 0.62) & (flat[:, 1] > -0.3) & (flat[:, 1] < 0.3)
    truth = griddata(surface[:, :2], surface[:, 2], flat[inside, :2], method="linear")
    before = np.abs(flat[inside, 2] - truth)
    after = np.abs(flat[inside, 2] + relief()[inside] - truth)
    assert np.median(after) < 0.4 * np.median(before)
    assert np.percentile(before, 90) > 0.12 > 2 * np.percentile(after, 90)
