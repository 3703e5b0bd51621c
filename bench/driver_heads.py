"""Head pose of rendered people who were never trained on, found by the live networks, against the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from realtime.analysis.landmarks import CROP
from realtime.analysis.lift import lift
from realtime.analysis.networks import Networks
from realtime.analysis.pose import fit_similarity, pose_of
from realtime.frame import Face, Intrinsics, Pose
from realtime.geometry.crops import face_crop
from realtime.geometry.template import template
from realtime.monitor.head import SKULL, measure_head, sensor_depths
from realtime.monitor.reading import Head
from training.ict import IctFaces, ViewRanges, random_views, rotations, seen
from training.kinect_noise import kinect_v1, kinect_v2
from training.synthetic.render import Renderer
from training.synthetic.scene import HELD_OUT, Ranges

SIDE = 224  # pixels of a rendered picture
YAW, PITCH, ROLL = 60.0, 30.0, 25.0
BANDS = ((0, 20), (20, 40), (40, 60), (60, 90))
NOISE = 0.03  # of made-up keypoints, eye distances


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """Found less true angles of N heads.

    Attributes:
        error: (N, 3) yaw, pitch, roll in degrees.
        sigma: (N, 3) the standard errors that were claimed.
        turn: (N,) degrees between where the nose points and the line to the camera.
    """

    error: np.ndarray
    sigma: np.ndarray
    turn: np.ndarray

    def figures(self) -> dict[str, object]:
        """Mean absolute errors of heads turned by up to 60 degrees, by how far, and how often they are within two
        sigma."""
        near = self.turn < 60
        bands = {f"{low}-{high}": (self.turn >= low) & (self.turn < high) for low, high in BANDS}
        return {
            "heads": int(near.sum()),
            "mae_deg": _angles(np.abs(self.error[near]).mean(axis=0)),
            "median_deg": _angles(np.median(np.abs(self.error[near]), axis=0)),
            "by_turn": {
                name: _angles(np.abs(self.error[inside]).mean(axis=0)) for name, inside in bands.items() if inside.any()
            },
            "within_two_sigma": _angles((np.abs(self.error[near]) <= 2 * self.sigma[near]).mean(axis=0)),
        }


def errors_of(heads: list[Head], truths: list[np.ndarray], sights: list[np.ndarray]) -> Errors:
    """What heads are off by, for true (3, 3) rotations of heads that lie in the directions (3,) from the camera."""
    found, sigma, true = (
        np.array([_row(pose) for pose in poses])
        for poses in ([head.pose for head in heads], [head.sigma for head in heads], map(pose_of, truths))
    )
    facing = [turn[:, 2] @ sight / np.linalg.norm(sight) for turn, sight in zip(truths, sights, strict=True)]
    return Errors((found - true + 180) % 360 - 180, sigma, np.rad2deg(np.arccos(np.clip(facing, -1, 1))))


def rendered(networks: Networks, count: int) -> dict[str, Errors]:
    """Rendered heads: by the eyes alone, and with what a Kinect of either kind would have measured."""
    heads: dict[str, list[Head]] = {"without depth": [], "with depth, Kinect v1": [], "with depth, Kinect v2": []}
    truths: list[np.ndarray] = []
    sights: list[np.ndarray] = []
    with Renderer(SIDE, Ranges(YAW, PITCH, ROLL, near=500, far=1100, hand=0.0, closing=0.2)) as renderer:
        for number in range(count):
            face = renderer.face(HELD_OUT + 4 * number)
            rng = np.random.default_rng(number)
            measured = found_face(networks, face.picture, face.points, rng)
            truths.append(face.rotation)
            sights.append(face.points_mm.mean(axis=0))
            heads["without depth"].append(measure_head(measured, face.camera)[0])
            for name, sensor in (("v1", kinect_v1), ("v2", kinect_v2)):
                depth = sensor(face.depth, rng, face.camera.fx)
                at = sensor_depths(depth, measured.landmarks)
                heads[f"with depth, Kinect {name}"].append(measure_head(measured, face.camera, at)[0])
    return {name: errors_of(each, truths, sights) for name, each in heads.items()}


def found_face(networks: Networks, picture: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> Face:
    """The face that the live networks find, looking twice from a place some 5 % beside the true one."""
    crop = face_crop(points + rng.normal(0, 0.05 * np.ptp(points, axis=0).max(), 2), CROP)
    for _ in range(2):
        looked = networks.landmarks(picture, [crop])
        crop = face_crop(looked.points[0], CROP)
    (depth,), (pose,) = lift(networks.depthnet, looked.points)
    return Face(1, looked.points[0], looked.confidence[0], float(looked.score[0]), pose, depth)


def made_up(networks: Networks, ict: IctFaces, count: int) -> dict[str, Errors]:
    """Keypoints of the morphable model with independent noise: what is lost without any landmark network's own bias."""
    rng = np.random.default_rng(1)
    shapes = ict.shapes(ict.random_identity(count, rng), ict.random_expression(count, rng))
    angles, nearness = random_views(count, ViewRanges(YAW, PITCH, ROLL, 0.15), rng)
    solid = seen(shapes, angles, nearness)
    truths = list(rotations(angles))
    sights = [np.array([0.0, 0.0, 1.0])] * count
    camera, unit = Intrinsics(1e6, 1e6, 0.0, 0.0), 80.0
    out: dict[str, Errors] = {}
    for name, noise in (("exact keypoints", 0.0), (f"keypoints with {NOISE:.0%} noise", NOISE)):
        points = (unit * (solid[..., :2] + rng.normal(0, noise, (*solid.shape[:2], 2)))).astype(np.float32)
        sure = np.full(points.shape[1], 1 / (1 + (noise / 0.07) ** 2), np.float32)
        heads = [
            measure_head(Face(1, face, sure, 1.0, pose, depth), camera, known=False)[0]
            for face, (depth, pose) in zip(points, _lifted(networks, points), strict=True)
        ]
        out[name] = errors_of(heads, truths, sights)
    return out


def shape_alone(ict: IctFaces, count: int) -> np.ndarray:
    """(3,) standard deviation of yaw, pitch and roll when the mean face is fitted to exact, frontal, other faces."""
    rng = np.random.default_rng(2)
    shapes = ict.shapes(ict.random_identity(count, rng), ict.random_expression(count, rng))[:, : len(SKULL)]
    poses = [pose_of(fit_similarity(template()[: len(SKULL)], shape.astype(float), SKULL)[1]) for shape in shapes]
    return np.sqrt(np.mean(np.square([_row(pose) for pose in poses]), axis=0))


def _lifted(networks: Networks, points: np.ndarray) -> Iterator[tuple[np.ndarray, Pose]]:
    for start in range(0, len(points), 16):
        yield from zip(*lift(networks.depthnet, points[start : start + 16]), strict=True)


def _row(pose: Pose) -> tuple[float, float, float]:
    return pose.yaw, pose.pitch, pose.roll


def _angles(values: np.ndarray) -> dict[str, float]:
    return dict(zip(("yaw", "pitch", "roll"), (round(float(value), 3) for value in values), strict=True))
