"""Small pictures laid over a frame: lines of text, a colour bar, the provenance badge. Drawn on the CPU, once each."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.frame import Pixels

_FONT = cv2.FONT_HERSHEY_DUPLEX
_FONT_PX = 22  # height of a capital of this font at scale 1


def text_picture(lines: list[str], letter_px: float, backing: float = 0.55) -> Pixels:
    """Lines of white text on a dark, translucent plate.

    Args:
        lines: ASCII text (what the font has); other characters are shown as "?".
        letter_px: height of a capital letter.
        backing: opacity of the plate in [0, 1].

    Returns:
        (h, w, 4) uint8, premultiplied RGBA.
    """
    scale, pad = letter_px / _FONT_PX, round(0.6 * letter_px)
    thick = max(1, round(letter_px / 14))
    shown = [line.encode("ascii", "replace").decode() for line in lines]
    widths = [cv2.getTextSize(line, _FONT, scale, thick)[0][0] for line in shown]
    step = round(1.7 * letter_px)
    height, width = step * len(shown) + pad, max(widths, default=0) + 2 * pad
    ink = np.zeros((height, width), np.uint8)
    for row, line in enumerate(shown):
        at = (pad, pad // 2 + row * step + round(1.25 * letter_px))
        cv2.putText(ink, line, at, _FONT, scale, 255, thick, cv2.LINE_AA)
    plate = _plate((width, height), pad) * backing
    alpha = np.maximum(plate, ink / 255)
    return _premultiplied(np.repeat(ink[..., None] / 255, 3, axis=2), alpha)


def bar_picture(colours: np.ndarray, low: str, high: str, title: str, letter_px: float) -> Pixels:
    """A horizontal colour bar with its title above and its two ends named below.

    Args:
        colours: (N, 3) float in [0, 1], from the low end to the high end.

    Returns:
        (h, w, 4) uint8, premultiplied RGBA.
    """
    plain = text_picture([title, " ", f"{low}  -  {high}"], letter_px)
    pad, step = round(0.6 * letter_px), round(1.7 * letter_px)
    top, width = pad // 2 + step + round(0.3 * letter_px), plain.shape[1] - 2 * pad
    strip = cv2.resize(
        colours[None].astype(np.float32), (width, round(1.1 * letter_px)), interpolation=cv2.INTER_LINEAR
    )
    plain[top : top + len(strip), pad : pad + width, :3] = np.round(strip * 255)
    plain[top : top + len(strip), pad : pad + width, 3] = 255
    return plain


def place_within(
    size: tuple[int, int], frame: tuple[int, int], margin: float, across: float, down: float
) -> tuple[float, float, float, float]:
    """Where a small picture stands in a frame: made smaller where it would take 0.9 of the width or half the height.

    Args:
        size, frame: (width, height) of the picture and of the frame.
        margin: pixels left free at the frame's edges, though no more than a twentieth of the frame.
        across, down: 0 is left and top, 1 right and bottom.

    Returns:
        x, y, width, height in pixels of the frame.
    """
    shrink = min(1.0, 0.9 * frame[0] / size[0], 0.5 * frame[1] / size[1])
    width, height = size[0] * shrink, size[1] * shrink
    left, top = min(margin, 0.05 * frame[0]), min(margin, 0.05 * frame[1])
    return left + across * (frame[0] - 2 * left - width), top + down * (frame[1] - 2 * top - height), width, height


def _plate(size: tuple[int, int], radius: int) -> np.ndarray:
    width, height = size
    plate = np.zeros((height, width), np.float32)
    r = min(radius, width // 2, height // 2)
    cv2.rectangle(plate, (r, 0), (width - r - 1, height - 1), 1.0, -1)
    cv2.rectangle(plate, (0, r), (width - 1, height - r - 1), 1.0, -1)
    for x in (r, width - r - 1):
        for y in (r, height - r - 1):
            cv2.circle(plate, (x, y), r, 1.0, -1, cv2.LINE_AA)
    return plate


def _premultiplied(colour: np.ndarray, alpha: np.ndarray) -> Pixels:
    rgba = np.dstack([np.minimum(colour, alpha[..., None]), alpha])
    return np.ascontiguousarray(np.round(rgba * 255).astype(np.uint8))
