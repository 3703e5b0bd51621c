"""The published Recombinator Network's table: point errors from true boxes, beside the live network.

Published (Honari et al., CVPR 2016): the crop comes from the true points, upright; errors are mean distances in percent
of the distance of the eyes' centres (each the middle of its corners). Shown beside it: the outer corners' distance,
this project's yardstick, and crops off by a detector's or tracker's error, with which the live network has to cope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import torch

import engines
from bench.machine import machine
from engines.networks.rcn import RCN, SIZE, hard_argmax, pixel_centres, soft_argmax
from engines.networks.rcn_denoising import Denoiser, joint
from realtime.analysis.detector import Detection
from realtime.analysis.landmarks import LandmarkNet, Landmarks
from realtime.frame import Pixels
from realtime.geometry.crops import Crop, square_crop
from realtime.geometry.topology import INNER, INNER_MOUTH_CORNERS, KEYPOINTS, LANDMARKS, eye_distance
from training import data, run
from training.landmark_table import HeldOut, offsets_by_jitter
from training.peers import Estimator, Ours
from training.rcn_crops import BOX, face_square
from training.readers import w300
from training.tables.markdown import markdown

DENOISER = "rcn_denoising"  # its run folder
OF_49 = np.setdiff1d(INNER, INNER_MOUTH_CORNERS)
# common, iBUG and full set, as on the authors' poster
PUBLISHED = {
    "published: RCN": (("4.70", "9.00", "5.54"), ("2.64", "5.10", "3.88")),
    "published: RCN + denoising": (("4.67", "8.44", "5.41"), ("2.59", "4.81", "3.76")),
}


class Published(Estimator):
    """The published network, alone or joined with the denoiser, read in one of two ways.

    Args:
        model: in eval mode.
        denoiser: in eval mode, or None.
        hard: read the highest pixel, as published, not the local soft-argmax.
    """

    side = BOX

    def __init__(self, model: RCN, denoiser: Denoiser | None, hard: bool) -> None:
        self.name = f"RCN{' + denoising' if denoiser else ''}, {'hard argmax' if hard else 'soft-argmax'}"
        self._model, self._denoiser, self._hard = model, denoiser, hard

    def crop(self, points: np.ndarray) -> Crop:
        return face_square(points)

    def crop_of_box(self, found: Detection) -> Crop:
        x, y, width, height = found.box
        return square_crop(np.array([x + width / 2, y + height / 2]), BOX * max(width, height), 0.0, SIZE)

    def __call__(self, pixels: Pixels, crops: Sequence[Crop]) -> Landmarks:
        colours = [crop.cut(pixels, cv2.BORDER_CONSTANT) for crop in crops]
        images = np.stack([cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY) for colour in colours])[:, None]
        with torch.no_grad():
            heat = self._model(torch.from_numpy(images))
            if self._denoiser:
                heat = joint(heat, self._denoiser(hard_argmax(heat)))
            found, mass = soft_argmax(heat)
            if self._hard:
                found = pixel_centres(hard_argmax(heat))
        points = np.full((len(crops), KEYPOINTS, 2), np.nan, np.float32)
        confidence = np.zeros((len(crops), KEYPOINTS), np.float32)
        points[:, :LANDMARKS] = [crop.back(face) for crop, face in zip(crops, found.numpy(), strict=True)]
        confidence[:, :LANDMARKS] = mass
        return Landmarks(points, confidence, confidence[:, :LANDMARKS].mean(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """Point errors on one set.

    Attributes:
        found: network → (N, 68) distance between found and true point in shares of the outer eye corners' distance.
        centres: (N,) the eye centres' distance in the same unit.
    """

    found: dict[str, np.ndarray]
    centres: np.ndarray

    def percent(self, name: str, points: np.ndarray, by_centres: bool) -> float:
        """Mean over faces and those points in percent of the eye centres' distance, or of the outer corners'."""
        yardstick = self.centres if by_centres else np.ones_like(self.centres)
        return 100 * float((self.found[name][:, points].mean(axis=1) / yardstick).mean())


def together(parts: Sequence[Distances]) -> Distances:
    """Several sets as one."""
    names = parts[0].found
    return Distances(
        {name: np.concatenate([part.found[name] for part in parts]) for name in names},
        np.concatenate([part.centres for part in parts]),
    )


def eye_centres_distance(points: np.ndarray) -> np.ndarray:
    """(...,) distance of the middles of both eyes' corners of (..., 68 or more, 2) points: the published yardstick."""
    left, right = (points[..., corners, :].mean(axis=-2) for corners in ([36, 39], [42, 45]))
    return np.asarray(np.linalg.norm(left - right, axis=-1))


def from_true_boxes(estimators: Sequence[Estimator], held_out: HeldOut) -> Distances:
    """One look each where the true points say."""
    rows: dict[str, list[np.ndarray]] = {estimator.name: [] for estimator in estimators}
    for picture, points, _ in held_out:
        for estimator in estimators:
            seen = estimator(picture, [estimator.crop(points)]).points[0, :LANDMARKS]
            rows[estimator.name].append(np.linalg.norm(seen - points[:LANDMARKS], axis=1) / eye_distance(points))
    truth = held_out.faces.points[held_out.rows]
    found = {name: np.array(of_faces).reshape(-1, LANDMARKS) for name, of_faces in rows.items()}
    return Distances(found, eye_centres_distance(truth) / eye_distance(truth))


def from_jittered_boxes(estimators: Sequence[Estimator], held_out: HeldOut) -> Distances:
    """One look at each of a few crops off by what boxes are off by, the same for all (`landmark_table.Jitter`)."""
    offsets = offsets_by_jitter(estimators, held_out)
    found = {name: np.linalg.norm(of_faces, axis=2) for name, of_faces in offsets.items()}
    truth = held_out.faces.points[held_out.rows]
    looks = len(next(iter(found.values()))) // len(truth)
    return Distances(found, np.repeat(eye_centres_distance(truth) / eye_distance(truth), looks))


def error_table(sets: dict[str, Distances], by_centres: bool, published: bool) -> str:
    """A row per network; a column per set for all 68 points, then for the 49 inside the face."""
    names = next(iter(sets.values())).found
    points = {"68": np.arange(LANDMARKS), "49": OF_49}
    rows = [
        (
            name,
            *(f"{one.percent(name, which, by_centres):.2f}" for which, one in product(points.values(), sets.values())),
        )
        for name in names
    ]
    if published:
        rows += [(name, *of68, *of49) for name, (of68, of49) in PUBLISHED.items()]
    return markdown(("network", *(f"{title}, {count}" for count, title in product(points, sets))), rows)


def report(model: RCN, options: run.RunOptions, root: Path | None) -> None:
    """Prints the table for `model`, for the joint model if the run folder has a denoiser, and for the live network.

    Args:
        model: in eval mode.
        options: where the denoiser's run is, and torch's threads.
        root: folder of the original 300W sets; None measures on the held-out part of the data folder's faces_300w.
    """
    denoisers: list[Denoiser | None] = [None]
    if run.has_checkpoint(options.runs / DENOISER):
        denoisers.append(run.averaged(DENOISER, Denoiser(), options.runs))
    live = Ours(LandmarkNet(engines.load("landmarks", threads=options.threads)))
    estimators = [live, *(Published(model, denoiser, hard) for denoiser in denoisers for hard in (True, False))]
    if root:
        sets = {"common": w300.common(root), "iBUG": w300.ibug(root)}
        measured = {
            title: from_true_boxes(estimators, HeldOut(title, faces, faces.testing())) for title, faces in sets.items()
        }
        measured["full"] = together(list(measured.values()))
    else:
        faces = data.faces_300w()
        held_out = HeldOut("held-out faces_300w", faces, faces.testing())
        measured = {
            "true boxes": from_true_boxes(estimators, held_out),
            "jittered boxes": from_jittered_boxes(estimators, held_out),
        }
    counts = ", ".join(f"{title}: {len(one.centres)}" for title, one in measured.items())
    print(f"# Recombinator Network\n\n{machine()}; faces measured: {counts}.\n")
    print("Errors in percent of the distance of the eye centres, as published:\n")
    print(error_table(measured, by_centres=True, published=root is not None))
    print("\nIn percent of the distance of the outer eye corners:\n")
    print(error_table(measured, by_centres=False, published=False))
