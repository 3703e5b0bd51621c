"""Jitter and lag of tracked landmarks beside PFLD and OpenSeeFace: raw, and after our filter for everyone.

Each network is tracked as in the live loop: the points shown last place the next crop. Jitter is the mean length of the
points' second difference in time, in percent of the distance of the outer eye corners: on a still picture with fresh
sensor noise, where all of it is the network's, and on the stillest seconds of clips, where some of it is the person's.
Lag is the delay, in frames, at which the raw points fit the smoothed ones best, in the fastest second of a clip.
Clips s18 and d10 were never trained on.

python -m bench jitter [--frames 60] [--json]
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.machine import machine
from bench.smoothing import Path, delay_frames, jitter_percent, noisy_portrait
from realtime.analysis.landmarks import Landmarks
from realtime.analysis.lift import lift
from realtime.analysis.networks import Networks
from realtime.analysis.one_euro import FaceFilter
from realtime.errors import InputError
from realtime.frame import Frame
from realtime.geometry.template import template
from realtime.geometry.topology import KEYPOINTS, LANDMARKS, OF_66, eye_distance
from realtime.sources.video import VideoFile
from training import data
from training.peers import Estimator, Ours, WidePfld, load_peers, second_look

STILL = ("s18", "d9")  # d10 is nowhere still
FAST = ("d10", "d9")
FAST_S = 1.0
CLIP_RATE = 30  # frames per second of all clips here
LEAD = 10  # frames
AS_BEFORE = 0.25  # grey levels; frames that differ less from the one before were repeated by the recorder
GOAL_JITTER, GOAL_LAG = 0.10, 1.0  # percent, frames


@dataclass(frozen=True)
class Options:
    """Jitter and lag of tracked landmarks beside the peers'."""

    json: bool = False
    """End with one line of JSON for programs."""
    frames: int = 60
    """Of the still picture, and of each still part of a clip."""
    noise: float = 3.0
    """Standard deviation of the sensor noise on the still picture, grey levels."""
    rate: float = 30.0
    """Frames per second of the still picture."""
    threads: int = 1
    """CPU threads per network."""


def tracked(estimator: Estimator, networks: Networks, frames: Sequence[Frame], smooth: bool) -> Path:
    """The largest face of the first frame, followed through all of them. Raises InputError where there is none."""
    largest = max(networks.detector(frames[0].pixels), key=lambda face: face.box[2] * face.box[3], default=None)
    if largest is None:
        raise InputError("No face was found in the first frame to follow: begin elsewhere.")
    crop = second_look(estimator, frames[0].pixels, largest)
    steady, depth = FaceFilter(), None
    points, depths = [], []
    for frame in frames:
        shown, confidence = completed(estimator(frame.pixels, [crop]))
        if smooth:
            shown = steady(shown, confidence, frame.time_s, depth)
        (depth,) = lift(networks.depthnet, shown[None])[0]
        crop = estimator.crop(shown)
        points.append(shown)
        depths.append(depth)
    times = np.array([frame.time_s for frame in frames])
    return Path(times, np.array(points), np.array(depths), float(eye_distance(np.array(points)).mean()))


def completed(seen: Landmarks) -> tuple[np.ndarray, np.ndarray]:
    """(81, 2) points and (81,) confidence of one face for the filter, which wants all 81 points.

    A point the network does not have lies where the mean face, laid over the others, has it, and counts least.
    """
    points, known = seen.points[0].astype(np.float64), np.isfinite(seen.points[0, :, 0])
    mean_face = np.column_stack([template(), np.ones(KEYPOINTS)])
    affine = np.linalg.lstsq(mean_face[known], points[known], rcond=None)[0]
    points[~known] = mean_face[~known] @ affine
    return points.astype(np.float32), seen.confidence[0]


def clip_speeds(clip: str) -> np.ndarray:
    """(T,) mean speed of a clip's labelled points in every frame, eye distances per frame, their jitter taken out."""
    faces = data.faces_video()
    rows = faces.labelled()[faces.identity[faces.labelled()] == clip]
    with np.load(data.folder() / "faces_video.npz", allow_pickle=False) as pack:
        numbers, affines = pack["frame"][rows], pack["crop_affine"][rows].astype(np.float64)
    inverse = np.linalg.inv(affines[:, :, :2])
    points = (faces.points[rows, :LANDMARKS] - affines[:, None, :, 2]) @ inverse.swapaxes(1, 2)
    every = np.arange(numbers[-1] + 1)
    steps = np.array([np.interp(every, numbers, column) for column in points.reshape(len(rows), -1).T])
    calm = np.array([np.convolve(column, np.full(7, 1 / 7), "same") for column in steps]).T.reshape(-1, LANDMARKS, 2)
    speed = np.linalg.norm(np.gradient(calm, axis=0), axis=2).mean(axis=1) / eye_distance(points).mean()
    speed[:4] = speed[-4:] = np.nan  # the mean over seven frames reaches beyond the clip there
    return np.asarray(speed)


def calmest(speeds: np.ndarray, length: int) -> int:
    """Where the `length` frames of the least mean speed begin."""
    return int(np.nanargmin(np.convolve(speeds, np.ones(length), "valid")))


def part(clip: str, start: int, length: int) -> list[Frame]:
    """`length` frames of a clip, without those the recorder repeated."""
    kept: list[Frame] = []
    last: np.ndarray | None = None
    with VideoFile(str(data.folder() / f"video_{clip}.mp4")) as video:
        for frame in video:
            if not start <= frame.index < start + length:
                continue
            small = cv2.resize(frame.pixels, (160, 160), interpolation=cv2.INTER_AREA).astype(np.float32)
            if last is None or np.abs(small - last).mean() >= AS_BEFORE:
                kept.append(frame)
            last = small
    return kept


def scenes(options: Options) -> dict[str, list[Frame]]:
    """What jitter is measured on, by name."""
    still = {"still picture with noise": noisy_portrait(options.noise, options.frames, options.rate)}
    for clip in STILL:
        start = calmest(clip_speeds(clip), options.frames)
        still[f"clip {clip}, stillest {options.frames} frames"] = part(clip, start, options.frames)
    return still


def turns() -> dict[str, list[Frame]]:
    """What lag is measured on: the fastest second of clips, and a moment before it to begin with."""
    fast = {}
    for clip in FAST:
        length = round(FAST_S * CLIP_RATE)
        start = calmest(-clip_speeds(clip), length)
        fast[f"clip {clip}, fastest second"] = part(clip, max(start - LEAD, 0), length + LEAD)
    return fast


def run(options: Options) -> None:
    """Print the table."""
    networks = Networks.load(options.threads)
    estimators: list[Estimator] = [Ours(networks.landmarks)]
    estimators += [peer for peer in load_peers(options.threads) if not isinstance(peer, WidePfld)]
    rows: dict[str, dict[str, float]] = {}
    for name, frames in scenes(options).items():
        for title, smooth in (("raw", False), ("smoothed", True)):
            paths = {e.name: tracked(e, networks, frames, smooth) for e in estimators}
            rows[f"{name}: {title}, %"] = {
                who: jitter_percent(path.points[:, OF_66], path.eye_px) for who, path in paths.items()
            }
    for name, frames in turns().items():
        lags = {}
        for estimator in estimators:
            raw, smoothed = (tracked(estimator, networks, frames, smooth) for smooth in (False, True))
            lags[estimator.name] = delay_frames(raw, smoothed.points, tuple(OF_66))
        rows[f"{name}: lag, frames"] = lags
    table = Table("", *(estimator.name for estimator in estimators), title="Jitter and lag beside the peers")
    for name, row in rows.items():
        table.add_row(name, *(f"{value:.2f}" for value in row.values()))
    console = Console(width=110)
    console.print(table)
    console.print(f"Goals: smoothed jitter at most {GOAL_JITTER:g} %, lag at most {GOAL_LAG:g} frame; on {machine()}.")
    if options.json:
        names = [estimator.name for estimator in estimators]
        print(json.dumps({who: {row: values[who] for row, values in rows.items()} for who in names}))
