"""Who the landmarks work worse for: errors by yaw and by apparent skin tone, with bootstrap intervals.

Skin tone is what the picture shows, not what the person has: the Individual Typology Angle (Chardon et al. 1991) of the
cheeks, atan((L* - 50) / b*) in degrees, in the classes of Del Bino and Bernerd (2013), pairs of neighbours merged. It
takes light, exposure, white balance and make-up for skin; pictures without colour have none. Of a person seen several
times the median counts, which evens out some of that. The classes say nothing of origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from matplotlib.figure import Figure

from engines import Engine
from realtime.analysis.lift import lift
from realtime.frame import Pixels
from realtime.geometry.topology import LANDMARKS, eye_distance
from training.landmark_table import HeldOut, face_errors
from training.scenes import box_of, size_of
from training.tables.markdown import markdown

YAWS = (0, 15, 30, 45, 90)  # degrees
# Del Bino's limits are 55, 41, 28, 10 and -30: very light, light, intermediate, tan, brown, dark
TONES = {
    "light and very light, over 41°": (41, 91),
    "tan and intermediate, 10 to 41°": (10, 41),
    "brown and dark, below 10°": (-90, 10),
}
LEAST_CHROMA = 5.0  # below it a picture is taken for grey
LEAST_PIXELS = 40
LEAST_PEOPLE = 5  # fewer say nothing of a group
ROUNDS = 2000
# Corners of either cheek, between lower lid, nostril, mouth corner and jaw.
CHEEKS = (((40, 41), (31,), (48,), (3,), (2,)), ((46, 47), (35,), (54,), (13,), (14,)))
CHEEK_SHARE = 0.6  # of the polygon, about its middle: its rim is where the shadows are


def apparent_tone(picture: Pixels, points: np.ndarray) -> float:
    """Individual Typology Angle of the cheeks in degrees, 90 the lightest; NaN where they are colourless or too small.

    Args:
        picture: (H, W, 3) RGB, taken for sRGB.
        points: (68 or 81, 2) pixels.
    """
    mask = np.zeros(picture.shape[:2], np.uint8)
    for corners in CHEEKS:
        polygon = np.array([points[list(corner)].mean(axis=0) for corner in corners])
        middle = polygon.mean(axis=0)
        cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(middle + CHEEK_SHARE * (polygon - middle)).astype(np.int32)), 1)
    skin = picture[mask == 1]
    if len(skin) < LEAST_PIXELS:
        return float("nan")
    lab = cv2.cvtColor(skin[None].astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[0]
    # the middle of the cheek's lightness: neither highlights nor shadows
    low, high = np.percentile(lab[:, 0], [25, 75])
    lightness, a, b = np.median(lab[(lab[:, 0] >= low) & (lab[:, 0] <= high)], axis=0)
    if np.hypot(a, b) < LEAST_CHROMA:
        return float("nan")
    return float(np.rad2deg(np.arctan2(lightness - 50, max(b, 1e-6))))


@dataclass(frozen=True, slots=True, eq=False)
class Traits:
    """What is measured of each picture of a set.

    Attributes:
        yaw: (N,) degrees, to the image right if positive.
        tone: (N,) degrees, NaN = unknown.
        person: (N,) str.
        eyes: (N,) distance of the outer eye corners in units of the side of the landmark box (root of its area).
    """

    yaw: np.ndarray
    tone: np.ndarray
    person: np.ndarray
    eyes: np.ndarray


def traits_of(held_out: HeldOut, depthnet: Engine) -> Traits:
    """From the true points: yaw by DepthNet's lift; tone as the median over the person's pictures.

    A picture without a name counts as a person.
    """
    names = held_out.faces.identity[held_out.rows]
    person = np.where(names == "", [f"picture {row}" for row in held_out.rows], names)
    yaw, tone, eyes = [], [], []
    for picture, points, _ in held_out:
        yaw.append(lift(depthnet, points[None])[1][0].yaw)
        tone.append(apparent_tone(picture, points))
        eyes.append(eye_distance(points) / size_of(box_of(points[:LANDMARKS])))
    tones, median = np.array(tone), np.full(len(tone), np.nan)
    for who in np.unique(person[np.isfinite(tones)]):
        median[person == who] = np.nanmedian(tones[person == who])
    return Traits(np.array(yaw), median, person, np.array(eyes))


Groups = dict[str, tuple[Traits, dict[str, np.ndarray]]]  # set → its traits, and offsets by network


def groups_of(traits: Traits) -> dict[str, np.ndarray]:
    """(N,) bool by title: who belongs to each class of yaw and of tone."""
    turned = np.abs(traits.yaw)
    groups = {f"yaw {low} to {high}°": (turned >= low) & (turned < high) for low, high in pairwise(YAWS)}
    return groups | {title: (traits.tone >= low) & (traits.tone < high) for title, (low, high) in TONES.items()}


def interval(values: np.ndarray, person: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of (N,) `values`: people are drawn, each with all their pictures."""
    _, who = np.unique(person, return_inverse=True)
    sums, counts = np.bincount(who, values), np.bincount(who)
    drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=ROUNDS)
    low, high = np.percentile(drawn @ sums / (drawn @ counts), [2.5, 97.5])
    return float(low), float(high)


def group_table(sets: Groups) -> str:
    """Mean error and interval by group in Markdown, from each set's traits and its networks' offsets.

    The last column has the first network's error in percent of the face's size: the eye distance, which the others are
    measured by, shrinks as the head turns.
    """
    names = list(next(iter(sets.values()))[1])
    rows = []
    for title, (traits, networks) in sets.items():
        faces = {name: face_errors(offsets) for name, offsets in networks.items()}
        found = np.isfinite(faces[names[0]])
        for group, members in groups_of(traits).items():
            kept = members & found
            people = len(np.unique(traits.person[kept]))
            if people < LEAST_PEOPLE:
                rows.append((title, group, f"{kept.sum()} ({people})", *("too few" for _ in range(len(names) + 1))))
                continue
            means = [_mean(faces[name][kept], traits.person[kept]) for name in names]
            by_size = _mean((faces[names[0]] * traits.eyes)[kept], traits.person[kept])
            rows.append((title, group, f"{kept.sum()} ({people})", *means, by_size))
    return markdown(("held-out set", "group", "faces (people)", *names, f"{names[0]}, % of the face's size"), rows)


def _mean(shares: np.ndarray, person: np.ndarray) -> str:
    low, high = interval(100 * shares, person, np.random.default_rng(0))
    return f"{100 * shares.mean():.2f} ({low:.2f} to {high:.2f})"


def group_figure(sets: Groups) -> Figure:
    """Error against yaw and against tone, one dot per face, for the first network and each set."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    by_yaw, by_tone = figure.subplots(1, 2, sharey=True)
    for title, (traits, networks) in sets.items():
        errors = 100 * face_errors(next(iter(networks.values())))
        by_yaw.plot(traits.yaw, errors, ".", alpha=0.6, label=title)
        by_tone.plot(traits.tone, errors, ".", alpha=0.6)
    by_yaw.set(xlabel="yaw, degrees", ylabel="mean error of 66 points, % of the eye distance", ylim=(0, 15))
    by_tone.set(xlabel="apparent skin tone, degrees (Individual Typology Angle)", xlim=(-90, 90))
    for low, _ in TONES.values():
        by_tone.axvline(low, color="0.7", linewidth=1)
    by_yaw.legend()
    for axes in figure.axes:
        axes.grid(alpha=0.3)
    return figure
