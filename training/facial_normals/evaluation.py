"""Normals of held-out faces against the truth: synthetic people, and the Yale faces by photometric stereo."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import nn

from realtime.analysis.landmarks import CROP, LandmarkNet
from realtime.analysis.lift import lift
from realtime.analysis.networks import Networks
from realtime.frame import Face, Frame
from realtime.geometry.crops import face_crop, face_crop_of_box, square_crop
from realtime.rgbd.surfaces import normal_map
from training.facial_normals.metrics import NormalErrors, mean_errors, normal_errors
from training.facial_normals.samples import Sample, normals_crop, of_synthetic, tilted
from training.ict_surface import IctSurface
from training.readers import yale
from training.synthetic.stock import Drawn

# (S, S, 3) normals of a crop, and (S, S) bool where the method says anything
Method = Callable[[Sample], tuple[np.ndarray, np.ndarray]]
YALE_ANGLE = 25.0  # degrees off the camera's axis up to which a Yale light makes an ordinary picture


def measured(method: Method, samples: list[Sample]) -> NormalErrors:
    """Mean errors over faces."""
    return mean_errors([_error(method, sample, np.ones(sample.face.shape, bool)) for sample in samples])


def measured_where(method: Method, other: Method, samples: list[Sample]) -> NormalErrors:
    """The same, only where another method says something, too: for a fair comparison."""
    return mean_errors([_error(method, sample, other(sample)[1]) for sample in samples])


def at_best_turn(method: Method) -> Method:
    """The method, its normals turned together as suits the truth best: what is left to it is the face's shape."""

    def turned(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        normals, there = method(sample)
        counted = sample.face & there
        if not counted.any():
            return normals, there
        turn, _ = Rotation.align_vectors(sample.normals[counted], normals[counted])
        return normals @ turn.as_matrix().T, there

    return turned


def of_network(normals: Callable[[torch.Tensor], torch.Tensor], side: int | None = None) -> Method:
    """From a network's call: pictures (1, 3, S, S) in 0..255 → normals of any length.

    `side`: pixels of the pictures it is shown, where it sees fewer than the samples have.
    """

    def method(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        picture, size = sample.image, sample.image.shape[:2]
        if side is not None:
            picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
        image = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32))[None]
        with torch.no_grad():
            made = nn.functional.normalize(normals(image), dim=1)[0].numpy().transpose(1, 2, 0)
        made = cv2.resize(np.ascontiguousarray(made), size[::-1], interpolation=cv2.INTER_LINEAR)
        return made / np.maximum(np.linalg.norm(made, axis=2, keepdims=True), 1e-6), np.ones(size, bool)

    return method


def of_template(surface: IctSurface) -> Method:
    """The fitted model's normals."""

    def method(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        size = len(sample.image)
        whole = square_crop(np.full(2, (size - 1) / 2), size, 0.0, size)
        _, normals, there = surface.maps(sample.points, whole)
        return normals, there

    return method


def of_mesh(networks: Networks) -> Method:
    """The DepthNet mesh over the landmarks, as the live loop draws it where there is no network for normals."""

    def method(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        looked = networks.landmarks(sample.image, [face_crop(sample.points, CROP)])
        (depth,), (pose,) = lift(networks.depthnet, looked.points)
        face = Face(1, looked.points[0], looked.confidence[0], float(looked.score[0]), pose, depth)
        normals = normal_map(Frame(sample.image, 0, 0.0, 0.0), (face,)).normals
        return normals, normals.any(axis=2)

    return method


def held_out_synthetic(count: int, size: int, network: LandmarkNet) -> list[Sample]:
    """Synthetic people never trained on, with the points that the live loop's landmark network finds."""
    drawn = Drawn(None, held_out=True)
    samples = []
    for index in range(count):
        sample = of_synthetic(drawn(index), size)
        points = network(sample.image, [face_crop(sample.points, CROP)]).points[0][:68]
        samples.append(Sample(sample.image, sample.normals, sample.face, points))
    drawn.release()
    return [sample for sample in samples if sample.face.mean() > 0.05]


def of_yale(size: int, network: LandmarkNet) -> list[Sample]:
    """The Yale faces under lights from about the camera, with normals by photometric stereo."""
    samples = []
    for person in yale.people():
        pictures, lights, _ = yale.pictures(person)
        stereo = yale.truth(person)
        height, width = stereo.known.shape
        albedo = np.clip(255 * stereo.albedo / np.percentile(stereo.albedo, 99), 0, 255).astype(np.uint8)
        # the pictures end at the face: the network wants something around it
        room = 60
        padded = cv2.copyMakeBorder(np.repeat(albedo[..., None], 3, axis=2), *[room] * 4, cv2.BORDER_REPLICATE)
        box = (room + 4.0, room + 20.0, width - 8.0, height - 24.0)
        points = network(padded, [face_crop_of_box(box, CROP)]).points[0]
        points = network(padded, [face_crop(points, CROP)]).points[0][:68] - room
        crop = normals_crop(points, size)
        area = (size, size)
        normals = tilted(cv2.warpAffine(stereo.normals, crop.matrix, area, flags=cv2.INTER_LINEAR), crop)
        length = np.linalg.norm(normals, axis=-1, keepdims=True)
        good = stereo.known & (stereo.residual < 0.1)
        face = cv2.warpAffine(good.astype(np.uint8), crop.matrix, area, flags=cv2.INTER_NEAREST) > 0
        face &= length[..., 0] > 0.9
        for picture in pictures[lights[:, 2] > np.cos(np.deg2rad(YALE_ANGLE))]:
            image = crop.cut(np.repeat(picture[..., None], 3, axis=2))
            unit = (normals / np.maximum(length, 1e-6)).astype(np.float32)
            samples.append(Sample(image, unit, face, crop.into(points).astype(np.float32)))
    return samples


def _error(method: Method, sample: Sample, where: np.ndarray) -> NormalErrors:
    normals, there = method(sample)
    return normal_errors(normals, sample.normals, sample.face & there & where)
