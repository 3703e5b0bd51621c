"""Better pseudo-labels: a trained landmark network's own answers, averaged with those of the data pack.

The pack's pseudo-labels are two estimators' mean; a third one, which learned from hand-made labels, errs differently.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from realtime.analysis.landmarks import CROP, LandmarkNet
from realtime.frame import Floats, Pixels
from realtime.geometry.crops import face_crop
from realtime.geometry.topology import LANDMARKS, eye_distance, mirror
from training.augment import moved_crop
from training.data import FaceSet

VIEWS = ((-6.0, 0.95), (0.0, 1.0), (6.0, 1.05))  # degrees and scale of the crops the teacher sees
MOST_APART = 0.12  # labels further than this from the teacher's answer, in eye distances, are left out


def second_opinion(net: LandmarkNet, picture: Pixels, points: Floats) -> Floats:
    """(81, 2) mean answer of `net` for the face at `points` (81, 2) of a picture (H, W, 3), over turns and mirror."""
    width = picture.shape[1]
    sides = (picture, points), (np.ascontiguousarray(picture[:, ::-1]), mirror(points, width))
    answers = []
    for side, place in sides:
        crop = face_crop(place, CROP)
        answers.append(net(side, [moved_crop(crop, turn, scale, np.zeros(2)) for turn, scale in VIEWS]).points)
    return np.mean([*answers[0], *(mirror(found, width) for found in answers[1])], axis=0)


def reconsidered(faces: FaceSet, net: LandmarkNet, share: float) -> FaceSet:
    """A set with its landmarks moved by `share` (0..1) of the way to the teacher's answer.

    Labels far from it are turned off: one of the two has lost the face. Hairline points stay.
    """
    points = faces.points.copy()
    for row in faces.training():
        before = points[row, :LANDMARKS]
        after = second_opinion(net, faces.picture(row), points[row])[:LANDMARKS]
        apart = np.linalg.norm(after - before, axis=1).mean() / eye_distance(before)
        points[row, :LANDMARKS] = before + share * (after - before) if apart < MOST_APART else np.nan
    return replace(faces, points=points)
