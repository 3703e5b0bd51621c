"""What cameras do to a grey picture: tone, light, blur, noise, compression. Used by the detector's scenes."""

from __future__ import annotations

import cv2
import numpy as np

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def grey_weights(rng: np.random.Generator) -> np.ndarray:
    """(3,) float32 weights of red, green and blue that sum to 1: luma, any mixture, or mostly red (near infrared)."""
    kind = rng.random()
    if kind < 0.6:
        return LUMA
    mixed = rng.dirichlet([1.5, 3.0, 1.0] if kind < 0.85 else [8.0, 1.0, 0.5])
    return mixed.astype(np.float32)


def tone_curve(rng: np.random.Generator, strength: float = 1.0) -> np.ndarray:
    """(256,) float32 monotone map of 0..255: random gamma, contrast and brightness."""
    ramp = np.linspace(0, 1, 256, dtype=np.float32) ** np.exp(rng.normal(0, 0.3 * strength))
    gain = np.exp(rng.normal(0, 0.22 * strength))
    return 255 * ((ramp - 0.5) * gain + 0.5 + rng.normal(0, 0.06 * strength))


def lit(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W) float32 under uneven light: a gradient over the picture, or a lamp on part of it."""
    small = np.empty((8, 8), np.float32)
    y, x = np.mgrid[:8, :8] / 7.0
    if rng.random() < 0.6:
        angle = rng.uniform(0, 2 * np.pi)
        small[:] = 1 + rng.uniform(0.2, 0.9) * ((x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle))
    else:
        distance = ((x - rng.random()) ** 2 + (y - rng.random()) ** 2) / rng.uniform(0.05, 0.4)
        small[:] = rng.uniform(0.15, 0.6) + np.exp(-distance)
    return picture * cv2.resize(small, picture.shape[::-1], interpolation=cv2.INTER_LINEAR)


def motion_kernel(length: float, angle: float) -> np.ndarray:
    """(k, k) float32 line of `length` pixels at `angle` radians, summing to 1."""
    side = int(np.ceil(length)) | 1
    kernel = np.zeros((side, side), np.float32)
    middle = (side - 1) / 2
    reach = 0.5 * length * np.array([np.cos(angle), np.sin(angle)])
    low, high = np.rint(middle - reach).astype(int), np.rint(middle + reach).astype(int)
    cv2.line(kernel, (int(low[0]), int(low[1])), (int(high[0]), int(high[1])), 1.0)
    return kernel / kernel.sum()


def camera(picture: np.ndarray, grain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture as some camera shows it.

    Args:
        picture: (H, W) float32, about 0..255.
        grain: (G, G) float32 standard normal noise, larger than the picture; a random part of it is used.
        rng: source of chance.

    Returns:
        (H, W) uint8.
    """
    height, width = picture.shape
    dark = rng.random() < 0.12
    if rng.random() < 0.25:
        picture = lit(picture, rng)
    if not dark and rng.random() < 0.7:
        curve = tone_curve(rng)
        picture = cv2.LUT(np.clip(picture, 0, 255).astype(np.uint8), curve)
    if dark:
        picture = picture * np.exp(rng.uniform(np.log(0.06), np.log(0.5)))
    kind = rng.random()
    if kind < 0.12:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 2.2))
    elif kind < 0.2:
        picture = cv2.filter2D(picture, -1, motion_kernel(rng.uniform(2, 9), rng.uniform(0, np.pi)))
    elif kind < 0.28:
        factor = rng.uniform(0.35, 0.8)
        small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    elif kind < 0.36:
        picture = picture + rng.uniform(0.3, 1.5) * (picture - cv2.GaussianBlur(picture, (0, 0), 1.5))
    if dark or rng.random() < 0.4:
        top, left = rng.integers(0, np.array(grain.shape) - [height, width] + 1)
        noise = grain[top : top + height, left : left + width]
        picture = picture + noise * (rng.uniform(0.3, 4) if dark else np.exp(rng.uniform(np.log(0.7), np.log(14))))
    seen = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        code = cv2.imencode(".jpg", seen, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(12, 90))])[1]
        seen = cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)
    return seen
