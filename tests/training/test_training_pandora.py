"""Pandora's files: a sequence as its recording program writes it, and the cameras that its joints give away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from realtime.errors import InputError
from realtime.geometry.depth_code import FACE_MM
from training.readers.originals import Original
from training.readers.pandora_faces import COLOUR_SIZE, DEPTH_SIZE, PandoraFaces, fitted_calibration, frames

DEPTH_K = np.array([[365.0, 0, 255.0], [0, 365.0, 208.0], [0, 0, 1]])
COLOUR_K = np.array([[1070.0, 0, 965.0], [0, 1070.0, 535.0], [0, 0, 1]])
TURN, SHIFT = cv2.Rodrigues(np.deg2rad([0.3, -0.4, 0.6]))[0], np.array([52.0, -1.0, 1.5])
RADIUS = 80.0


def projected(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    homogeneous = points @ matrix.T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def entry(number: int, head: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """A frame of the annotation: 17 joints about and below the head, in mm of the depth camera (y down)."""
    joints = head + rng.uniform([-350, 0, -150], [350, 500, 250], (17, 3))
    joints[3] = head
    depth = projected(DEPTH_K, joints).tolist()
    depth[5] = [float("-inf"), float("-inf")]  # a joint out of sight
    angles = {"euler": {"roll": 0.0, "pitch": 0.0, "yaw": 0.0}, "quaternion": [1.0, 0.0, 0.0, 0.0]}
    return {
        "ts": 40 * number,
        "frame_num": number,
        "orientation": angles,
        "shoulder_orientation": angles,
        "joints": depth,
        "joints3D": (joints / [1000, -1000, 1000]).tolist(),
        "jointsRGB": projected(COLOUR_K, joints @ TURN.T + SHIFT).tolist(),
        "jointsState": [2] * 17,
    }


def ball(matrix: np.ndarray, size: tuple[int, int], centre: np.ndarray) -> np.ndarray:
    """(h, w) float64 depth of a ball, 0 beside it."""
    u, v = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    rays = np.dstack([(u - matrix[0, 2]) / matrix[0, 0], (v - matrix[1, 2]) / matrix[1, 1], np.ones(u.shape)])
    a, b, c = (rays**2).sum(axis=-1), -2 * rays @ centre, centre @ centre - RADIUS**2
    root = b * b - 4 * a * c
    return np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / (2 * a), 0)


def write(root: Path, person: str, head: np.ndarray, as_text: bool = False) -> Path:
    """A sequence of four annotated frames, of which number 2 has its pictures."""
    sequence = root / person / f"base_1_ID{person}"
    for kind in ("RGB", "DEPTH"):
        (sequence / kind).mkdir(parents=True)
    rng = np.random.default_rng(int(person))
    entries = [entry(number, head, rng) for number in range(4)]
    stored = {f"{e['frame_num']:06d}": json.dumps(e) for e in entries} if as_text else entries
    (sequence / "data.json").write_text(json.dumps(stored))
    there = ball(COLOUR_K, COLOUR_SIZE, TURN @ head + SHIFT) > 0
    picture = np.where(there, 200, 20).astype(np.uint8)[..., None].repeat(4, axis=2)
    cv2.imwrite(str(sequence / "RGB" / "000002_RGB.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    depth = ball(DEPTH_K, DEPTH_SIZE, head)
    depth[depth == 0] = 2500
    cv2.imwrite(str(sequence / "DEPTH" / "000002_DEPTH.png"), depth.round().astype(np.uint16))
    return sequence


def test_frames_become_crops_about_the_head(tmp_path: Path) -> None:
    write(tmp_path, "03", np.array([60.0, -40.0, 950.0]))
    write(tmp_path, "16", np.array([-30.0, 0.0, 1100.0]), as_text=True)
    write(tmp_path, "21", np.array([0.0, 0.0, 1000.0]))
    train, test = PandoraFaces(tmp_path, test=False), PandoraFaces(tmp_path, test=True)
    assert len(train) == len(test) == 1  # one frame has pictures, and 21 is validated on
    for faces, person, nearest in ((train, "03", 870.0), (test, "16", 1020.0)):
        sample = faces.sample(0)
        assert sample.person == person
        assert sample.depth[50, 50] == pytest.approx(nearest, abs=5)
        assert sample.grey[50, 50] == 200
        assert sample.grey[2, 2] == 20
        assert sample.face[50, 50]
        assert not sample.face[2, 2]
        side = sample.crop.size / np.sqrt(abs(np.linalg.det(sample.crop.matrix[:, :2])))
        assert side == pytest.approx(1070 * FACE_MM / sample.distance, rel=3e-3)
        # the picture and the depth moved onto it show the ball in the same place
        there = (sample.depth > 0) & (sample.depth < 1500)
        assert (there == (sample.grey > 110)).mean() > 0.97


def test_the_cameras_are_those_that_projected_the_joints(tmp_path: Path) -> None:
    sequence = write(tmp_path, "01", np.array([0.0, 0.0, 1000.0]))
    found = fitted_calibration(frames(sequence), sequence)
    depth = found.depth.intrinsics
    assert (depth.fx, depth.fy, depth.cx, depth.cy) == pytest.approx((365, 365, 255, 208), abs=1e-3)
    # focal length and shift are known through what they project
    points = np.random.default_rng(1).uniform([-300, -200, 850], [300, 300, 1250], (50, 3))
    colour = found.colour.intrinsics
    matrix = np.array([[colour.fx, 0, colour.cx], [0, colour.fy, colour.cy], [0, 0, 1]])
    seen = projected(matrix, points @ found.rotation.T + found.translation_mm)
    assert np.abs(seen - projected(COLOUR_K, points @ TURN.T + SHIFT)).max() < 0.5


def test_bad_annotations_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no test frames of Pandora's"):
        PandoraFaces(tmp_path / "nothing", test=True)
    sequence = write(tmp_path, "10", np.array([0.0, 0.0, 1000.0]))
    annotation = sequence / "data.json"
    good = json.loads(annotation.read_text())
    for changed, said in (
        ("{", "not an annotation"),
        (json.dumps([{"frame_num": 1}]), "not an annotation"),
        (json.dumps(good[:1]), "too few"),
        (json.dumps([e | {"jointsRGB": [[9, 9], *e["jointsRGB"][:-1]]} for e in good]), "no two cameras"),
    ):
        annotation.write_text(changed)
        with pytest.raises(InputError, match=said):
            PandoraFaces(tmp_path, test=True)
    with pytest.raises(InputError, match="give --biwi or --pandora"):
        Original(tmp_path, tmp_path).faces(test=True)
