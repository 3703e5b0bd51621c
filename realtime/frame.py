"""What flows through the loop: frames, the faces found in them, and their geometry.

Axes (the whole project): pixels x right, y down, (0, 0) the centre of the top-left pixel. Depth z grows away
from the camera, in the pixel scale of the image it belongs to. Pose in degrees: yaw > 0 the nose points to the
right of the image, pitch > 0 it points up, roll > 0 the head tilts clockwise in the image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # it is made of what is defined here
    from realtime.monitor.reading import Reading

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Millimetres = NDArray[np.uint16]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture from a source. Stages make new frames (`dataclasses.replace`); nobody writes into `pixels`.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, full range, upright (rotation metadata already applied), contiguous.
        index: position in the source, from 0, without gaps; a dropped frame leaves a gap behind it.
        time_s: media time in seconds since the source's first frame (never decreases).
        captured: `time.perf_counter()` when the picture reached this process (or the driver's stamp moved to that
            clock): what latency is measured from.
        name: file name of a picture from an image folder, else None.
        held: True where the source had nothing new and repeats its last picture (a camera was pulled out); the
            notice to show then is `notice`.
        notice: one short sentence to draw over the picture, or None.
        depth: (H, W) uint16 millimetres along the optical axis, for each of `pixels`; 0 where nothing was measured.
            None where there is no depth sensor, or it gave nothing that belongs to this picture.
        intrinsics: of the camera that took `pixels`, or None where nobody knows them.
    """

    pixels: Pixels
    index: int
    time_s: float
    captured: float
    name: str | None = None
    held: bool = False
    notice: str | None = None
    depth: Millimetres | None = None
    intrinsics: Intrinsics | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True, slots=True)
class Pose:
    """Head pose in degrees (see the module's axes)."""

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """Pinhole camera: focal lengths and principal point in pixels."""

    fx: float
    fy: float
    cx: float
    cy: float

    @classmethod
    def guessed(cls, size: tuple[int, int]) -> Intrinsics:
        """What webcams have, more or less, for a picture of (width, height): 60 degrees along the longer side."""
        focal = max(size) / (2 * math.tan(math.radians(30)))
        return cls(focal, focal, (size[0] - 1) / 2, (size[1] - 1) / 2)

    def scaled(self, scale: float) -> Intrinsics:
        """For the same picture made larger by `scale` (pixel centres at integers)."""
        cx, cy = (self.cx + 0.5) * scale - 0.5, (self.cy + 0.5) * scale - 0.5
        return Intrinsics(self.fx * scale, self.fy * scale, cx, cy)


@dataclass(frozen=True, slots=True, eq=False)
class Occlusion:
    """What lies in front of a face.

    Attributes:
        covered: (S, S) uint8, 255 times how surely a place shows a hand, hair, a rim of glasses or another thing before
            the face; beside the face it means nothing.
        matrix: (2, 3) float64, frame pixels → pixels of `covered` (a similarity; centres at integers on both sides).
    """

    covered: NDArray[np.uint8]
    matrix: NDArray[np.float64]

    def scaled(self, scale: float) -> Occlusion:
        """For the same frame made larger by `scale`."""
        back = np.array([[1 / scale, 0, 0.5 / scale - 0.5], [0, 1 / scale, 0.5 / scale - 0.5], [0, 0, 1]])
        return Occlusion(self.covered, self.matrix @ back)


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face of one frame.

    Attributes:
        id: stable while the face is tracked; unique in a run.
        points: (81, 2) float32 pixels: the 68 iBUG landmarks, then 13 forehead points from image left to right.
        confidence: (81,) float32 in [0, 1].
        score: how sure the network is that this is a face at all, in [0, 1].
        pose: head pose in degrees.
        depth: (81,) float32 pixels, z of each point (metric gauge, mean 0 over the 68), or None before DepthNet ran.
        lost: seconds since the face was last seen; 0 while it is seen (a lost face is held for a moment).
        occlusion: what is in front of it, or None where nobody looked: only `swap` asks.
        relief: (V,) float32 pixels, depth of the vertices of `realtime.geometry.mesh.face_mesh` as a network sees it,
            mean 0 over the 68; or None where nobody looked: mode `depth` and `--save-depth` ask.
        facing: (V, 3) float32 unit normals of these vertices (x right, y up, z to the camera; against the line of
            sight) as a network sees them, or None: mode `normals` and `--save-normals` ask.
        eyes_seen: how surely no lenses hide the eyes, in [0, 1], or None where nobody looked: mode `monitor` asks.
    """

    id: int
    points: Floats
    confidence: Floats
    score: float
    pose: Pose
    depth: Floats | None = None
    lost: float = 0.0
    occlusion: Occlusion | None = None
    relief: Floats | None = None
    facing: Floats | None = None
    eyes_seen: float | None = None

    @property
    def landmarks(self) -> Floats:
        """(68, 2) the iBUG points alone."""
        return self.points[:68]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x, y, width, height in pixels: the bounding box of the 68 landmarks."""
        low, high = self.landmarks.min(axis=0), self.landmarks.max(axis=0)
        return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What was drawn for one face: the row of `--tracks` that depends on the mode.

    Attributes:
        affine: (2, 4) float32, [x y z 1] of the drawn source → output pixels, or None.
        depth: (68,) float32 depth of the drawn source in its own pixels, or None.
        source_points: (68, 2) float32 landmarks of the drawn source in its own pixels, or None.
    """

    affine: Floats | None = None
    depth: Floats | None = None
    source_points: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A finished frame on its way to the sinks.

    Attributes:
        frame: the frame to show (its `pixels` are the output picture).
        faces: the faces analysed in the input picture.
        drawn: face id → what was drawn for it.
        synthetic: True where the picture shows a swapped or rotated face.
        finished: `time.perf_counter()` when the picture was ready.
        parts_s: what drawing took, in seconds by part (see `realtime.timing.Split`).
        original: the frame as it came from the source, before anything was drawn; None where nobody kept it.
        reading: what mode `monitor` says of the driver, else None.
    """

    frame: Frame
    faces: tuple[Face, ...] = ()
    drawn: dict[int, Drawn] = field(default_factory=dict)
    synthetic: bool = False
    finished: float = 0.0
    parts_s: dict[str, float] = field(default_factory=dict)
    original: Frame | None = None
    reading: Reading | None = None
