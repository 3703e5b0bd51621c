"""What the labels lean by, against a network that cannot lean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from realtime.geometry.topology import HAIRLINE, INNER, eye_distance
from training import data as sets
from training.lean import LEAN, leaning
from training.peers import load_peers, with_mirror


def test_moved_labels_agree_with_a_mirror_symmetric_network(data: Path) -> None:
    pfld = load_peers(threads=1)[0]
    faces = sets.faces_ytf()
    straight = leaning(faces)
    away = []
    for row in faces.training()[::90]:
        points = straight.points[row]
        found = with_mirror(pfld, faces.picture(row), pfld.crop(points))[1]
        away.append((points - found)[INNER, 0].mean() / eye_distance(points))
    assert abs(np.mean(away)) < 0.4 * LEAN["ytf"]


def test_labels_move_to_the_right_by_what_is_asked_for(data: Path) -> None:
    faces = sets.faces_video()
    row = faces.labelled()[0]
    moved = leaning(faces, 0.05).points[row] - leaning(faces, 0.02).points[row]
    np.testing.assert_allclose(moved[INNER, 0], 0.03 * eye_distance(faces.points[row]), rtol=1e-3)
    assert (moved[INNER, 1] == 0).all() and (moved[HAIRLINE] == 0).all()
    as_it_was = leaning(faces, LEAN["video"]).points[row]
    assert as_it_was == pytest.approx(faces.points[row], abs=1e-3)
