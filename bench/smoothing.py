"""Lag and jitter of the face filter: on synthetic moves, where the truth is known, and on a still picture with noise.

Jitter is the mean length of the points' second difference in time, in percent of the distance of the outer eye corners
(a steady motion has none); lag is the delay, in frames, at which the true path fits the smoothed one best.

python -m bench smoothing [--noise 3] [--frames 120] [--json]
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table
from skimage.data import astronaut

from bench.machine import machine
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.analysis.one_euro import FaceFilter
from realtime.analysis.pose import rotation_of
from realtime.frame import Floats, Frame, Pose
from realtime.geometry.template import template
from realtime.geometry.topology import KEYPOINTS, NOSE_TIP, eye_distance

EYE_PX = 150.0
SECONDS = 3.0
LIDS = ((37, 41), (38, 40), (43, 47), (44, 46))  # upper and lower lid
CHIN_AND_LOWER_LIP = np.r_[6:11, 55:60, 65:68]


@dataclass(frozen=True, slots=True)
class Move:
    """What a synthetic face does, once, from second 1 on.

    Attributes:
        name: for the table.
        yaw_deg: from -half to +half of it within `lasts_s`, smoothly; with `cycles_hz` to and fro.
        shift: to the image right, in eye distances, within `lasts_s`.
        blink, speech: the eyes close once; the mouth opens and closes four times a second.
        watched: the points whose lag counts.
    """

    name: str
    yaw_deg: float = 0.0
    shift: float = 0.0
    lasts_s: float = 0.5
    cycles_hz: float = 0.0
    blink: bool = False
    speech: bool = False
    watched: tuple[int, ...] = tuple(range(KEYPOINTS))


MOVES = (
    Move("fast turn", yaw_deg=60, lasts_s=0.5),
    Move("fast turn, nose", yaw_deg=60, lasts_s=0.5, watched=(NOSE_TIP,)),
    Move("fast shift", shift=1.5, lasts_s=0.4),
    Move("slow turn", yaw_deg=40, cycles_hz=0.5),
    Move("blink", blink=True, watched=(37, 38, 43, 44)),
    Move("speech", speech=True, watched=(57, 66)),
)


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """A face over time: `times` (T,) seconds, `points` (T, 81, 2) and `depth` (T, 81) pixels, eye distance at rest."""

    times: np.ndarray
    points: np.ndarray
    depth: np.ndarray
    eye_px: float = EYE_PX


def move_face(move: Move, rate: float) -> Path:
    """The mean face carrying out `move`, `rate` frames per second."""
    times = np.arange(0, SECONDS, 1 / rate)
    lifted = np.stack([_face_at(move, float(time)) for time in times])
    return Path(times, lifted[..., :2], lifted[..., 2])


def _face_at(move: Move, time: float) -> np.ndarray:
    done = _smooth_step((time - 1) / move.lasts_s)
    swing = np.sin(2 * np.pi * move.cycles_hz * time) / 2 if move.cycles_hz else done - 0.5
    face = template().astype(np.float64)
    if move.blink:
        closed = _smooth_step((time - 1) / 0.1) - _smooth_step((time - 1.15) / 0.12)
        for upper, lower in LIDS:
            face[upper] += closed * (face[lower] - face[upper])
    if move.speech and 1 <= time < SECONDS - 0.5:
        face[CHIN_AND_LOWER_LIP, 1] += 0.1 * (1 - np.cos(2 * np.pi * 4 * (time - 1)))
    turned = face @ rotation_of(Pose(move.yaw_deg * swing, 0, 0)).T
    place = np.array([2 + move.shift * done, 2, 0])
    return np.asarray(EYE_PX * (turned + place))


def _smooth_step(share: float) -> float:
    """0 … 1 with the least jerk, as limbs move (Flash and Hogan 1985)."""
    share = min(max(share, 0.0), 1.0)
    return share**3 * (10 - 15 * share + 6 * share**2)


def white_noise(shape: tuple[int, ...], eye_px: float, jitter: float, rng: np.random.Generator) -> np.ndarray:
    """Independent normal noise (T, K, 2) whose own jitter is `jitter` percent of the eye distance."""
    # A second difference has sqrt(6) times the noise's deviation, and a 2-vector's mean length is sqrt(pi / 2) of that.
    return np.asarray(rng.normal(size=shape) * jitter / 100 * eye_px / np.sqrt(6 * np.pi / 2))


def smoothed(points: np.ndarray, path: Path, confidence: Floats | None = None) -> np.ndarray:
    """(T, 81, 2) `points` through the filter, which is told the depth of the frame before, as in the loop."""
    steady, sure = FaceFilter(), np.ones(KEYPOINTS, np.float32) if confidence is None else confidence
    depths: list[Floats | None] = [None, *path.depth.astype(np.float32)]
    frames = zip(points.astype(np.float32), path.times, depths[:-1], strict=True)
    return np.stack([steady(face, sure, float(time), depth) for face, time, depth in frames])


def jitter_percent(points: np.ndarray, eye_px: float) -> float:
    """Jitter of (T, K, 2) points, from the fourth frame on (a filter starts with the raw points)."""
    return float(100 / eye_px * np.linalg.norm(np.diff(points[3:], 2, axis=0), axis=2).mean())


def delay_frames(path: Path, points: np.ndarray, watched: tuple[int, ...]) -> float:
    """The delay in frames at which `path` fits `points` best, where the watched points move."""
    watch = list(watched)
    true, frame_s = path.points[:, watch], float(np.median(np.diff(path.times)))
    speed = np.linalg.norm(np.gradient(true, axis=0), axis=2).mean(axis=1)
    moving = speed > 0.1 * speed.max()

    def misfit(delay: float) -> float:
        at = np.interp(path.times - delay * frame_s, path.times, np.arange(len(true)))
        low = np.minimum(at.astype(int), len(true) - 2)
        share = (at - low)[:, None, None]
        delayed = (1 - share) * true[low] + share * true[low + 1]
        return float(np.square(points[:, watch] - delayed)[moving].mean())

    delays = np.arange(-1, 5, 0.05)
    return float(delays[np.argmin([misfit(delay) for delay in delays])])


@dataclass(frozen=True)
class Options:
    """Lag and jitter of the face filter."""

    json: bool = False
    """End with one line of JSON for programs."""
    raw: float = 0.35
    """Jitter of the synthetic raw points, percent of the eye distance."""
    noise: float = 3.0
    """Standard deviation of the sensor noise on the still picture, grey levels."""
    frames: int = 120
    """How often the still picture is read."""
    rate: float = 30.0
    """Frames per second."""


def synthetic(options: Options) -> dict[str, dict[str, float]]:
    """Per move: lag in frames, raw jitter and jitter left, with the true motion taken out, in percent."""
    rng = np.random.default_rng(1)
    rows = {}
    for move in (Move("still"), *MOVES):
        path = move_face(move, options.rate)
        raw = path.points + white_noise(path.points.shape, path.eye_px, options.raw, rng)
        steady = smoothed(raw, path)
        rows[move.name] = {
            "lag_frames": delay_frames(path, steady, move.watched) if move.name != "still" else 0.0,
            "raw_jitter": jitter_percent(raw - path.points, path.eye_px),
            "jitter": jitter_percent(steady - path.points, path.eye_px),
        }
    return rows


def noisy_portrait(noise: float, count: int, rate: float) -> list[Frame]:
    """`count` frames of 1280x720 with a public-domain portrait, each with sensor noise of its own (grey levels)."""
    portrait = np.zeros((720, 1280, 3), np.float32)
    portrait[104:616, 384:896] = astronaut()[..., :3]
    rng = np.random.default_rng(1)
    frames = []
    for index in range(count):
        noisy = portrait + noise * rng.standard_normal(portrait.shape, np.float32)
        frames.append(Frame(np.clip(noisy, 0, 255).round().astype(np.uint8), index, index / rate, 0.0))
    return frames


def still_picture(options: Options) -> dict[str, dict[str, float]]:
    """Jitter of the whole analysis, raw and smoothed, on a portrait with sensor noise."""
    frames, rows = noisy_portrait(options.noise, options.frames, options.rate), {}
    for name, smooth in (("raw", False), ("smoothed", True)):
        with open_analyser(AnalysisOptions(smooth=smooth)) as analyser:
            faces = [face for frame in frames for face in analyser.analyse(frame)]
        points, depth = np.stack([face.points for face in faces]), np.stack([face.depth for face in faces])
        eye_px = float(eye_distance(points).mean())
        angles = np.array([[face.pose.yaw, face.pose.pitch, face.pose.roll] for face in faces])
        rows[name] = {
            "points_percent": jitter_percent(points, eye_px),
            "depth_percent": jitter_percent(depth[..., None], eye_px),
            "pose_deg": float(np.abs(np.diff(angles[3:], 2, axis=0)).mean()),
        }
    return rows


def run(options: Options) -> None:
    """Print both tables."""
    console = Console()
    moves, still = synthetic(options), still_picture(options)
    table = Table("move", "lag, frames", "raw jitter, %", "jitter, %", title="Synthetic face")
    for name, row in moves.items():
        table.add_row(name, *(f"{row[key]:.2f}" for key in ("lag_frames", "raw_jitter", "jitter")))
    console.print(table)
    table = Table("", "points, %", "depth, %", "pose, °", title="Jitter on a still picture with sensor noise")
    for name, row in still.items():
        table.add_row(name, *(f"{row[key]:.3f}" for key in ("points_percent", "depth_percent", "pose_deg")))
    console.print(table)
    if options.json:
        print(json.dumps({"ours": {"moves": moves, "still": still, "machine": machine()}}))
