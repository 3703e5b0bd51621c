"""Spoils a warped face the ways real swaps are spoilt, and says what should be made of it.

Everything works on float32 layers in 0..1 of one tile. A damage is drawn once and may be done to several frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from realtime.frame import Floats
from realtime.geometry.topology import BROWS, HAIRLINE, LEFT_EYE, NOSE, RIGHT_EYE
from training.repair_pairs import ALPHA, CONFIDENCE, FRAME, MASK, WARP

# What averaging over squares of this side leaves out is detail: the drawn face's own, where it can be trusted.
# Pixels of a tile of 128.
DETAIL = 8
_TRUSTED = (0.5, 0.9)  # confidence, averaged over as much, from which detail begins to be kept, and is kept whole
_CELLS = 6  # of the random fields, along a side


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """A tile before it is composed, T pixels a side.

    Attributes:
        frame: (T, T, 3) the live frame.
        warp: (T, T, 3) premultiplied colours of what is drawn.
        alpha, confidence, mask: (T, T) its opacity, that times how little it is stretched, and where change is allowed.
        live: (81, 2) pixels, keypoints of the live face.
    """

    frame: Floats
    warp: Floats
    alpha: Floats
    confidence: Floats
    mask: Floats
    live: Floats

    @classmethod
    def of(cls, tile: np.ndarray, live: Floats) -> Layers:
        """From a kept tile (T, T, 9) uint8, see `training.repair_pairs.Tiles`."""
        values = tile.astype(np.float32) / 255
        channels = (values[..., which] for which in (FRAME, WARP, ALPHA, CONFIDENCE, MASK))
        return cls(*channels, live)

    def composite(self) -> Floats:
        """(T, T, 3) the warp over the frame."""
        return self.frame * (1 - self.alpha[..., None]) + self.warp

    def tile(self) -> Floats:
        """(T, T, 5) what the network sees: composite, confidence, mask."""
        return np.dstack([np.clip(self.composite(), 0, 1), self.confidence, self.mask])

    def target(self) -> Floats:
        """(T, T, 3) what the network should make of this warp, or of it damaged.

        The frame itself is the truth. But where the warp can be trusted, its detail is kept, and only what changes
        slowly is the frame's: no wrinkle or mole of the drawn face is to be smoothed away for lying a pixel aside.
        """
        kept = _smoothstep(*_TRUSTED, _coarse(self.confidence))[..., None]
        difference = self.composite() - self.frame
        return np.clip(self.frame + kept * (difference - _coarse(difference)), 0, 1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """One side of the face is smeared outwards.

    Attributes:
        side: -1 the image-left side, 1 the other.
        begin: where, in eye distances from the nose.
        gain: texture steps per step there.
    """

    side: int
    begin: float
    gain: float


@dataclass(frozen=True, slots=True)
class Cover:
    """Something in front of the face, an ellipse in which the frame shows.

    Attributes:
        middle: (2,) from the nose, in eye distances, and radii: its (2,) half axes.
        turn: radians.
        soft: over what share of the way from the edge to the middle it begins.
    """

    middle: tuple[float, float]
    radii: tuple[float, float]
    turn: float
    soft: float

    @classmethod
    def random(cls, rng: np.random.Generator) -> Cover:
        """From a finger to a hand or a strand of hair, anywhere on the face."""
        x, y, long = *rng.normal(0, 0.45, 2), rng.uniform(0.1, 0.7)
        return cls((x, y), (long, long * rng.uniform(0.2, 1)), rng.uniform(0, np.pi), rng.uniform(0.05, 0.6))


@dataclass(frozen=True, slots=True, eq=False)
class Damage:
    """What is wrong with a warp; the default is nothing.

    Attributes:
        gain: (3,) factors of the colours, offset: added to them.
        slope: (2,) log of the light's change from the face's middle to one eye distance to the right, and down.
        blotches: (6, 6, 3) random field over the tile, added to the log of the colours.
        blur: pixels of a tile of 128; below 0 it sharpens.
        edge: alphas that become 0 and 1; between them it rises smoothly.
        slip: (2,) by how much the warp lies aside, in eye distances.
        brow: how far above the brows the forehead ends, as a share of the way to the hairline, and over what share it
            fades; None: it does not.
        stretch, cover: see there.
        grain: standard deviation of noise.
    """

    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: float = 0.0
    slope: tuple[float, float] = (0.0, 0.0)
    blotches: Floats | None = None
    blur: float = 0.0
    edge: tuple[float, float] | None = None
    slip: tuple[float, float] = (0.0, 0.0)
    brow: tuple[float, float] | None = None
    stretch: Stretch | None = None
    cover: Cover | None = None
    grain: float = 0.0

    @classmethod
    def random(cls, rng: np.random.Generator, strength: float = 1.0) -> Damage:
        """A mixture of some of them; at strength 0 none."""
        luma, colour = strength * rng.normal(0, 0.16), strength * rng.normal(0, 0.05, 3)
        drawn = {
            "gain": tuple(np.exp(luma + colour - colour.mean())),
            "offset": strength * rng.normal(0, 0.02),
            "slope": tuple(strength * rng.normal(0, 0.12, 2)),
            "blotches": strength * rng.normal(0, 0.06, (_CELLS, _CELLS, 1)) * rng.uniform(0.7, 1.3, 3),
            "blur": strength * rng.choice([rng.uniform(0.3, 1.2), -rng.uniform(0.2, 0.8)]),
            "edge": _edge(rng),
            "slip": tuple(strength * rng.normal(0, 0.025, 2)),
            "brow": (rng.uniform(0.1, 0.9), rng.uniform(0.05, 0.6)),
            "stretch": Stretch(int(rng.choice([-1, 1])), rng.uniform(0.25, 0.5), rng.uniform(0.1, 0.5)),
            "cover": Cover.random(rng),
            "grain": strength * rng.uniform(0, 0.03),
        }
        often = {"gain": 0.6, "offset": 0.3, "slope": 0.5, "blotches": 0.4, "blur": 0.3}
        often |= {"edge": 0.4, "slip": 0.3, "brow": 0.25, "stretch": 0.3, "cover": 0.2, "grain": 0.3}
        return cls(**{name: value for name, value in drawn.items() if rng.random() < often[name] * (strength > 0)})

    def done_to(self, layers: Layers, rng: np.random.Generator) -> Layers:
        """The layers with a spoilt warp; `rng` gives the grain, which differs from frame to frame."""
        if self.stretch:
            layers = _stretched(layers, self.stretch)
        if any(self.slip):
            layers = _shifted(layers, np.array(self.slip))
        if self.edge:
            layers = _faded(layers, _smoothstep(*self.edge, layers.alpha) / np.maximum(layers.alpha, 1e-3))
        if self.brow:
            layers = _faded(layers, _below_forehead(layers, *self.brow))
        if self.cover:
            layers = _faded(layers, 1 - _covered(layers, self.cover))
        return replace(layers, warp=self._coloured(layers, rng))

    def _coloured(self, layers: Layers, rng: np.random.Generator) -> Floats:
        size = len(layers.frame)
        alpha = layers.alpha[..., None]
        colours = layers.warp / np.maximum(alpha, 1e-3)
        if self.blur:
            # the frame shows through where the warp is thin: blurred with it, no dark rim appears
            filled = layers.warp + (1 - alpha) * layers.frame
            soft = cv2.GaussianBlur(filled, (0, 0), abs(self.blur) * size / 128)
            colours = colours + (soft - filled if self.blur > 0 else filled - soft)
        light = np.log(np.array(self.gain, np.float32)) + _ramp(layers, self.slope)[..., None]
        if self.blotches is not None:
            light = light + cv2.resize(self.blotches.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
        colours = colours * np.exp(light) + self.offset
        if self.grain:
            colours = colours + self.grain * rng.standard_normal((size, size, 1), np.float32)
        return np.clip(colours, 0, 1).astype(np.float32) * alpha


def _coarse(values: Floats) -> Floats:
    """(T, T[, C]) averaged over squares of `DETAIL`, twice."""
    side = round(DETAIL * len(values) / 128)
    return np.asarray(cv2.blur(cv2.blur(values, (side, side)), (side, side)), np.float32)


def _edge(rng: np.random.Generator) -> tuple[float, float]:
    low = rng.uniform(0, 0.6)
    return low, low + rng.uniform(0.05, 1 - low)


def _axes(layers: Layers) -> tuple[np.ndarray, np.ndarray, float]:
    """(2,) the middle of the nose, (2,) the unit vector along the eye line to the image right, the eye distance."""
    middle = layers.live[NOSE].mean(axis=0)
    along = layers.live[RIGHT_EYE].mean(axis=0) - layers.live[LEFT_EYE].mean(axis=0)
    length = max(float(np.linalg.norm(along)), 1.0)
    return middle, along / length, 1.5 * length  # outer corners lie about that far apart


def _grid(size: int) -> Floats:
    return np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1).astype(np.float32)


def _ramp(layers: Layers, slope: tuple[float, float]) -> Floats:
    middle, _, unit = _axes(layers)
    return np.asarray(np.tanh((_grid(len(layers.frame)) - middle) / unit) @ np.array(slope), np.float32)


def _stretched(layers: Layers, stretch: Stretch) -> Layers:
    middle, along, unit = _axes(layers)
    places = _grid(len(layers.frame))
    beyond = np.maximum(stretch.side * ((places - middle) @ along) / unit - stretch.begin, 0)
    back = (1 - stretch.gain) * beyond * stretch.side * unit
    places = places - back[..., None] * along
    alpha = np.maximum(_looked_up(layers.alpha, places), 1e-2)
    gain = np.where(beyond > 0, stretch.gain, 1.0)
    warp = _looked_up(layers.warp, places) * (layers.alpha / alpha)[..., None]
    return replace(layers, warp=np.minimum(warp, 1), confidence=(layers.confidence * gain).astype(np.float32))


def _shifted(layers: Layers, slip: np.ndarray) -> Layers:
    places = _grid(len(layers.frame)) - slip * _axes(layers)[2]
    parts = (_looked_up(part, places) for part in (layers.warp, layers.alpha, layers.confidence))
    return replace(layers, **dict(zip(("warp", "alpha", "confidence"), parts, strict=True)))


def _below_forehead(layers: Layers, height: float, fade: float) -> Floats:
    """(T, T) 1 below a line between brows and hairline, 0 above it."""
    brows, top = layers.live[BROWS].mean(axis=0), layers.live[HAIRLINE[len(HAIRLINE) // 2]]
    up = top - brows
    above = (_grid(len(layers.frame)) - brows) @ up / max(float(up @ up), 1.0)
    return 1 - _smoothstep(height, height + fade, above)


def _covered(layers: Layers, cover: Cover) -> Floats:
    """(T, T) 1 in the middle of a cover, 0 outside."""
    middle, _, unit = _axes(layers)
    off = (_grid(len(layers.frame)) - middle) / unit - np.array(cover.middle)
    cos, sin = np.cos(cover.turn), np.sin(cover.turn)
    reach = np.hypot(
        *((off @ axis) / radius for axis, radius in zip(((cos, sin), (-sin, cos)), cover.radii, strict=True))
    )
    return _smoothstep(0, cover.soft, 1 - reach)


def _faded(layers: Layers, factor: Floats) -> Layers:
    """With the alpha multiplied by (T, T)."""
    factor = np.minimum(factor, 1 / np.maximum(layers.alpha, 1e-3)).astype(np.float32)
    return replace(
        layers,
        warp=layers.warp * factor[..., None],
        alpha=layers.alpha * factor,
        confidence=np.minimum(layers.confidence * factor, 1),
    )


def _looked_up(values: Floats, places: np.ndarray) -> Floats:
    return np.asarray(cv2.remap(values, places.astype(np.float32), None, cv2.INTER_LINEAR), np.float32)


def _smoothstep(low: float, high: float, value: Floats) -> Floats:
    share = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)
