"""From keypoints to the surface that is drawn: a person's views fitted onto live faces, in their shape and light.

What the effect decides (who, from which side) and what is looked up while drawing (eyes, covers) is not here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from engines.lstsq import solve
from realtime.controls import Settings
from realtime.effects.expression import Residual, into_source, match_mouth, shape_gain, solve_weights
from realtime.effects.photo import View
from realtime.effects.relight import Relight, Tone
from realtime.frame import Face, Floats, Frame
from realtime.geometry.mesh import face_mesh
from realtime.geometry.topology import LANDMARKS
from realtime.geometry.views import texel_density, view_depth
from realtime.render.surface import Warp

# Skin is drawn where the landmarks are trusted: transparent at the first, opaque from the second confidence on.
TRUST = (0.08, 0.25)
# A surface stretched more than tenfold is transparent, less than twofold opaque.
STRETCH_FADE = (0.1, 0.5)
# A view that gives way shows where it has this much more of the face than its mirror image (`View.share`).
SHARE_FADE = (0.3, 0.45)


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A view that is laid over a live face.

    Attributes:
        face: the live face.
        view: one picture of a source face.
        yielding: in [0, 1], how far it gives way to its mirror image, drawn beneath, where that shows more.
    """

    face: Face
    view: View
    yielding: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A face as it lies in the frame.

    Attributes:
        affine: (2, 4) float32 from [x y z 1] of its source, a view or the live face itself, to frame pixels.
        warp: its vertices, with trust and relight where it is a view; for the effect to complete.
    """

    affine: Floats
    warp: Warp

    @property
    def scale(self) -> float:
        """Frame pixels per pixel of the source, as areas."""
        return area_scale(self.affine)


class Modeller(ABC):
    """Fits views, and remembers each face's shape and light; belongs to the thread that draws."""

    @abstractmethod
    def model(self, layers: Sequence[Layer], frame: Frame, settings: Settings) -> list[Model | None]:
        """The layers of one frame, all faces' at once, on `face_mesh`; None where keypoints never determined an affine
        yet.

        Raises:
            EngineError: the GPU fails, where that does it.
        """

    @abstractmethod
    def keep(self, faces: Collection[int]) -> None:
        """Forget all faces but those of these ids."""

    def release(self) -> None:  # noqa: B027  the host holds nothing
        """Give back what it holds; may be called more than once."""


@dataclass(slots=True, eq=False)
class _Fit:
    """What is remembered of one live face beside one view."""

    affine: Floats | None = None
    residual: Residual = field(default_factory=Residual)


@dataclass(slots=True, eq=False)
class _Known:
    """What is remembered of one live face; the views live as long as the effect, so their ids tell them apart."""

    relight: Relight = field(default_factory=Relight)
    fits: dict[int, _Fit] = field(default_factory=dict)


class HostModeller(Modeller):
    """With NumPy and OpenCV."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}

    def model(self, layers: Sequence[Layer], frame: Frame, settings: Settings) -> list[Model | None]:
        if not layers:
            return []
        for face in {layer.face.id: layer.face for layer in layers}.values():
            relight = self._known.setdefault(face.id, _Known()).relight
            relight.follow(Tone(frame.pixels, face.points), frame.time_s)
        affines = solve(
            np.stack([layer.view.solid[:LANDMARKS] for layer in layers]),
            np.stack([layer.face.landmarks for layer in layers]),
            np.stack([solve_weights(layer.face.confidence) for layer in layers]),
        )
        return [self._modelled(*each, frame.time_s, settings) for each in zip(layers, affines, strict=True)]

    def keep(self, faces: Collection[int]) -> None:
        self._known = {face: known for face, known in self._known.items() if face in faces}

    def _modelled(self, layer: Layer, affine: Floats, time_s: float, settings: Settings) -> Model | None:
        known = self._known[layer.face.id]
        fit = known.fits.setdefault(id(layer.view), _Fit())
        if np.isfinite(affine).all():
            fit.affine = affine
        if fit.affine is None:
            return None  # else the last good one, where this frame's keypoints determine none
        points = _points(layer, fit.affine, fit.residual, time_s, settings)
        return Model(fit.affine, _surface(layer, fit.affine, points, known.relight.transfer(layer.view.tone)))


def _points(layer: Layer, affine: Floats, running: Residual, time_s: float, settings: Settings) -> Floats:
    """(81, 2) where the keypoints of a view are drawn."""
    live = layer.face.points
    placed = layer.view.solid @ affine[:, :3].T + affine[:, 3]
    shape, expression = running.split(into_source(affine, live - placed), time_s)
    moved = shape_gain(settings.shape) * shape + settings.expression * expression
    points = (placed + moved @ affine[:, :3].T).astype(np.float32)
    return match_mouth(points, live, min(settings.expression, 1.0))


def _surface(layer: Layer, affine: Floats, points: Floats, relight: Floats) -> Warp:
    mesh, view = face_mesh(), layer.view
    source, position = mesh.weights @ view.points, mesh.weights @ points
    stretch = texel_density(mesh, source, position) * area_scale(affine)
    trust = smoothstep(*TRUST, mesh.weights @ layer.face.confidence) * smoothstep(*STRETCH_FADE, stretch)
    if layer.yielding:
        trust *= 1 - layer.yielding * (1 - smoothstep(*SHARE_FADE, view.share))
    return Warp(
        mesh,
        np.column_stack([position, view_depth(affine, mesh.weights @ view.solid)]),
        source,
        live=mesh.weights @ layer.face.points,
        trust=trust * view.tone.clear,
        relight=relight,
    )


def area_scale(affine: Floats) -> float:
    """Output pixels per pixel of the source, as areas, as if the face were not turned."""
    return max(float(np.linalg.norm(affine[0, :2]) * np.linalg.norm(affine[1, :2])), 1e-6)


def smoothstep(low: float, high: float, value: float | Floats) -> Floats:
    """0 at `low`, 1 at `high`, smooth in between."""
    share = np.clip((np.asarray(value, np.float32) - low) / (high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)
