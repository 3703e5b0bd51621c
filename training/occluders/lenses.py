"""What lenses let through and throw back: clear, tinted, dark and mirrored ones, drawn into a frame's outlines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from training.backgrounds import octaves
from training.occluders.scene import Scene

Outlines = Sequence[np.ndarray]  # two (N, 2) float32, pixels
Lenses = Callable[[Scene, Outlines, np.random.Generator], None]

COVERS, CLEAR = 0.6, 0.3  # lenses as dark as the first hide the eye, below the second they do not; between: unsure
_VIEW = 64  # pixels of what a mirror shows


def usual(scene: Scene, outlines: Outlines, rng: np.random.Generator) -> None:
    """Mostly clear, some of any darkness, alike on both sides; glare on nearly every other lens."""
    if rng.random() >= 0.25:
        clear(scene, outlines, rng)
        return
    colour = rng.uniform(5, 60) + rng.uniform(0, 20, 3) if rng.random() < 0.6 else rng.uniform(5, 140, 3)
    opacity, lost = rng.uniform(0.5, 0.98), rng.uniform(0, 0.5) * (rng.random() < 0.5)
    for outline in outlines:
        _tint(scene, outline, opacity, lost, colour * scene.light)
        if rng.random() < 0.45:
            _glare(scene, outline, rng.uniform(0.15, 1.0), rng)


def clear(scene: Scene, outlines: Outlines, rng: np.random.Generator) -> None:
    """Of glass that hardly tints; glare on nearly every other lens."""
    opacity, colour = rng.uniform(0, 0.12), rng.uniform(40, 220, 3) * scene.light
    for outline in outlines:
        _tint(scene, outline, opacity, 0.0, colour)
        if rng.random() < 0.45:
            _glare(scene, outline, rng.uniform(0.15, 1.0), rng)


def tinted(scene: Scene, outlines: Outlines, rng: np.random.Generator) -> None:
    """Coloured, but the eyes are seen: light all over, or dark above and light below."""
    colour = rng.uniform(5, 160) * rng.normal(1, 0.25, 3).clip(0.3, 1.7) * scene.light
    opacity = rng.uniform(0.1, 0.5)
    for outline in outlines:
        _tint(scene, outline, opacity, rng.uniform(0, 1), colour)
        if rng.random() < 0.3:
            _reflection(scene, outline, octaves(rng, _VIEW), rng.uniform(0.1, 0.4), rng)
        if rng.random() < 0.3:
            _glare(scene, outline, rng.uniform(0.15, 0.6), rng)


def dark(scene: Scene, outlines: Outlines, rng: np.random.Generator) -> None:
    """Sunglasses that hide the eyes, from black to little darker than skin, some lighter below, some shining."""
    shade = np.exp(rng.uniform(np.log(4), np.log(110)))
    colour = shade * rng.normal(1, 0.2, 3).clip(0.4, 1.6) * scene.light
    opacity, lost = rng.uniform(0.93, 1.0), rng.uniform(0, 0.15) * (rng.random() < 0.4)
    view = octaves(rng, _VIEW) if rng.random() < 0.5 else None
    strength = rng.uniform(0.05, 0.35)
    for outline in outlines:
        _tint(scene, outline, opacity, lost, colour)
        if view is not None:
            _reflection(scene, outline, view, strength, rng)
        if rng.random() < 0.4:
            _glare(scene, outline, rng.uniform(0.15, 1.0), rng)


def mirrored(view: np.ndarray | None = None) -> Lenses:
    """Lenses that throw back what is before them: `view` (V, V) or (V, V, 3) uint8, else a made-up one."""

    def paint(scene: Scene, outlines: Outlines, rng: np.random.Generator) -> None:
        shown = _outside(rng) if view is None else view
        colour = np.exp(rng.uniform(np.log(4), np.log(90))) * scene.light
        tone = rng.normal(1, 0.15, 3).clip(0.5, 1.5) * rng.uniform(0.5, 1.3)
        strength = rng.uniform(0.35, 1.0)
        for outline in outlines:
            _tint(scene, outline, rng.uniform(0.93, 1.0), 0.0, np.full(3, colour))
            _reflection(scene, outline, shown, strength, rng, tone * scene.light)
            if rng.random() < 0.3:
                _glare(scene, outline, rng.uniform(0.3, 1.0), rng)

    return paint


def _outside(rng: np.random.Generator) -> np.ndarray:
    """(V, V) uint8: sky above ground with things on the horizon, or clouds of light."""
    if rng.random() < 0.4:
        return octaves(rng, _VIEW)
    y = np.linspace(0, 1, _VIEW)[:, None]
    sky, ground = rng.uniform(90, 255), rng.uniform(5, 130)
    horizon = rng.uniform(0.3, 0.75) + 0.06 * rng.normal() * np.linspace(-1, 1, _VIEW)
    rough = cv2.resize(rng.normal(0, 0.06, (1, int(rng.integers(4, 16)))), (_VIEW, 1), interpolation=cv2.INTER_LINEAR)
    below = np.clip((y - horizon - rough) * rng.uniform(4, 40) + 0.5, 0, 1)
    picture = sky * (1 - rng.uniform(0, 0.6) * y) * (1 - below) + ground * below
    picture = picture + rng.uniform(0, 0.4) * (octaves(rng, _VIEW).astype(np.float64) - 128)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _tint(scene: Scene, outline: np.ndarray, opacity: float, lost: float, colour: np.ndarray) -> None:
    """One lens of a colour; its opacity falls by a share `lost` from the upper rim to the lower."""
    inside = scene.polygon(outline)
    low, high = outline.min(axis=0), outline.max(axis=0)
    down = np.clip((np.mgrid[: scene.size, : scene.size][0] - low[1]) / max(high[1] - low[1], 1), 0, 1)
    alpha = (inside * opacity * (1 - lost * down)).astype(np.float32)
    scene.paint(colour, alpha, np.where(alpha > COVERS, inside, np.float32(0)))
    scene.unsure |= (alpha > CLEAR) & (alpha <= COVERS)


def _glare(scene: Scene, outline: np.ndarray, strength: float, rng: np.random.Generator) -> None:
    """A lamp or a window on one lens."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    across = low + rng.uniform(0, 1, 2) * (high - low)
    reach = rng.uniform(0.05, 0.5, 2) * (high - low)
    glare = np.zeros((scene.size, scene.size), np.float32)
    cv2.ellipse(glare, (across.tolist(), (2 * reach).tolist(), float(rng.uniform(0, 180))), 1.0, -1)
    glare = cv2.GaussianBlur(glare, (0, 0), rng.uniform(0.5, 3)) * scene.polygon(outline) * strength
    white = 255 * scene.light * rng.uniform([0.6, 0.7, 0.7], 1.0)
    scene.paint(white, glare, 0.0)
    scene.unsure |= glare > CLEAR


def _reflection(
    scene: Scene,
    outline: np.ndarray,
    view: np.ndarray,
    strength: float,
    rng: np.random.Generator,
    tone: np.ndarray | float = 1.0,
) -> None:
    """What is before the glasses, smaller towards the rim as on a bulging mirror, added to what one lens shows."""
    inside = scene.polygon(outline)
    low, high = outline.min(axis=0), outline.max(axis=0)
    y, x = np.mgrid[: scene.size, : scene.size].astype(np.float32)
    across, down = (2 * (at - lo) / max(hi - lo, 1) - 1 for at, lo, hi in zip((x, y), low, high, strict=True))
    bulge = rng.uniform(0.5, 0.9) * (1 + rng.uniform(0, 0.6) * (across**2 + down**2) / 2)
    side = len(view) - 1
    places = ((0.5 * (1 + bulge * at + rng.normal(0, 0.05)) * side).astype(np.float32) for at in (across, down))
    shown = cv2.remap(view, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT).astype(np.float32)
    shown = shown[..., None] if shown.ndim == 2 else shown
    lit = np.clip(scene.picture * (1 - strength) + strength * shown * tone, 0, 255)
    # a mirror hides what is behind it; a weak reflection does not
    scene.paint(lit, inside, inside if strength > COVERS else 0.0)
    scene.unsure |= (strength > CLEAR) & (strength <= COVERS) & (inside > 0)
