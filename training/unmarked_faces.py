"""Faces nobody put landmarks on, as sets to learn from: rendered ones, and RAP3DF's in colour and infrared."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from realtime.geometry.topology import KEYPOINTS, LANDMARKS
from training.data import FaceSet
from training.marks import marked
from training.opinions import MeshMap
from training.readers import rap3df
from training.synthetic.stock import Stock

QUALITY = 95  # of the JPEG the pictures are kept in


def faces_rendered(stock: Stock, marks: np.ndarray | None = None) -> FaceSet:
    """All faces of a stock, labelled with the model's landmarks or, given `training.marks.marks()`, as people do."""
    points = np.full((stock.filled, KEYPOINTS, 2), np.nan, np.float32)
    codes, people = [], []
    for index in range(stock.filled):  # one at a time: their depth and normals would fill the memory
        face = stock.face(index)
        codes.append(_jpeg(face.picture))
        points[index, :LANDMARKS] = face.points if marks is None else marked(face, marks)
        people.append(str(face.person))
    return _face_set("rendered", codes, points, np.array(people))


def part_of(faces: FaceSet, rows: np.ndarray) -> FaceSet:
    """Those (M,) faces of a set."""
    arrays = (values[rows] for values in (faces.points, faces.box, faces.identity, faces.held_out))
    return FaceSet(faces.name, [faces.codes[row] for row in rows], *arrays)


def faces_rap3df(mesh_map: MeshMap) -> FaceSet:
    """RAP3DF's faces twice, in colour and in infrared, labelled by the mesh tracked on them."""
    measured = rap3df.read()
    points = np.full((len(measured.person), KEYPOINTS, 2), np.nan, np.float32)
    points[:, :LANDMARKS] = [mesh_map(mesh) for mesh in measured.mesh]
    infrared = [cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB) for frame in measured.infrared]
    codes = [_jpeg(frame) for frame in (*measured.rgb, *infrared)]
    faces = _face_set("rap3df", codes, np.tile(points, (2, 1, 1)), np.tile(measured.person, 2))
    return replace(faces, held_out=np.tile(measured.held_out, 2))


def _jpeg(picture: np.ndarray) -> np.ndarray:
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return np.asarray(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1])


def _face_set(name: str, codes: list[np.ndarray], points: np.ndarray, people: np.ndarray) -> FaceSet:
    no_box = np.full((len(codes), 4), np.nan, np.float32)
    return FaceSet(name, codes, points, no_box, people, np.zeros(len(codes), bool))
