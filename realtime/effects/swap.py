"""Swap: the face of a photo on the live head, moving as the live face does."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from realtime.controls import Settings
from realtime.effects.base import Effect
from realtime.effects.cover import Covered, covered_share
from realtime.effects.modelling import TRUST, HostModeller, Layer, Model, Modeller, smoothstep
from realtime.effects.patch import face_patch
from realtime.effects.photo import Person, View
from realtime.effects.regions import SIZE, regions
from realtime.effects.sharpness import Sharpness
from realtime.frame import Drawn, Face, Frame
from realtime.geometry.mesh import face_mesh, layout, reached
from realtime.geometry.topology import LANDMARKS
from realtime.render import gl
from realtime.render.canvas import Canvas
from realtime.render.surface import Cover, Warp

# Another view is taken only when its yaw fits better by this much, and fades in over so many frames.
_HYSTERESIS_DEG = 10.0
_FADE_FRAMES = 5
_SEEDS = 4096
# The far side of the jaw fades out between these yaws, in degrees.
_SIDE_FADE_DEG = (30.0, 55.0)
# A face of which more than this share is behind something is not drawn.
_HIDDEN = 0.9
# A photo turned further than this shows too little of its far side: its mirror image is drawn beneath, and shows where
# it has more of the face, the more the further the live head is from the photo's pose.
_ONE_SIDED_DEG = 15.0
_POSE_FADE_DEG = (5.0, 20.0)


@dataclass(slots=True, eq=False)
class _Track:
    """What is remembered of one live face."""

    slot: int
    person: Person
    view: int
    previous: int
    fade: int = _FADE_FRAMES
    sharpness: Sharpness = field(default_factory=Sharpness)
    covered: Covered = field(default_factory=Covered)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """How a drawn face is made to belong to the frame; the same for all its layers. Fields as in `Warp`."""

    soften: float
    grain: tuple[float, float]
    cover: Cover | None


class Swap(Effect):
    """Draws `people` on the live faces: the first face takes the first person (plus `settings.face`), and so on.

    Args:
        people: at least one.
        live_eyes, live_mouth: whether the live eyes, and the live inner mouth, show.
        modeller: fits them, and is released with the effect; by default on the host.
    """

    synthetic = True

    def __init__(
        self,
        people: tuple[Person, ...],
        live_eyes: bool = True,
        live_mouth: bool = True,
        modeller: Modeller | None = None,
    ) -> None:
        self._people = people
        self._live_eyes, self._live_mouth = live_eyes, live_mouth
        self._modeller = modeller or HostModeller()
        self._tracks: dict[int, _Track] = {}
        masks = np.ascontiguousarray(np.round(regions() * 255).astype(np.uint8))
        self._regions = gl.Texture((masks.shape[1], masks.shape[0]))
        self._regions.upload(masks)
        triangles, places = face_mesh().triangles, face_mesh().uv * SIZE
        self._edges = reached(triangles, places, 255 - masks[..., 2])
        self._openings = reached(triangles, places, masks[..., :2].max(axis=2))
        self._textures: dict[int, gl.Texture] = {}

    def draw(self, canvas: Canvas, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> dict[int, Drawn]:
        self._forget(faces)
        # the furthest face first: nearer ones, which are larger, cover it
        shown = [(face, self._track(face, settings)) for face in sorted(faces, key=lambda face: face.box[2])]
        shown = [(face, track) for face, track in shown if _visible(face)]
        layers = [_layers(track, face) for face, track in shown]
        models = iter(self._modeller.model([layer for each in layers for layer, _ in each], frame, settings))
        drawn = {}
        for (face, track), each in zip(shown, layers, strict=True):
            fitted = [(layer, opacity, next(models)) for layer, opacity in each]
            result = self._draw_face(canvas, frame, face, track, fitted)
            if result is not None:
                drawn[face.id] = result
        return drawn

    def release(self) -> None:
        self._forget(())
        self._modeller.release()
        for texture in (self._regions, *self._textures.values()):
            texture.release()

    def _draw_face(
        self, canvas: Canvas, frame: Frame, face: Face, track: _Track, fitted: list[tuple[Layer, float, Model | None]]
    ) -> Drawn | None:
        view = track.person.views[track.view]
        models = {layer.view: model for layer, _, model in fitted if model is not None}
        if view not in models:
            return None
        look = self._look(track, frame, face, models[view].scale)
        surfaces = [self._surface(layer.view, model, face, look, opacity) for layer, opacity, model in fitted if model]
        canvas.draw(face_patch(face.id, *surfaces))
        return Drawn(models[view].affine, view.depth[:LANDMARKS], view.points[:LANDMARKS])

    def _look(self, track: _Track, frame: Frame, face: Face, scale: float) -> _Look:
        track.sharpness.look(frame.pixels, face.points)
        soften, grain = track.sharpness.match(track.person.views[track.view], float(np.sqrt(scale)))
        return _Look(soften, (grain, float(frame.index % _SEEDS)), track.covered(face.occlusion))

    def _surface(self, view: View, model: Model, face: Face, look: _Look, opacity: float) -> Warp:
        return replace(
            model.warp,
            picture=self._texture(view),
            regions=self._regions,
            density=1 / model.scale,
            live_share=(float(self._live_eyes), float(self._live_mouth)),
            edges=self._edges,
            openings=self._openings,
            side_fade=_side_fade(face.pose.yaw),
            soften=look.soften,
            grain=look.grain,
            opacity=opacity,
            cover=look.cover,
        )

    def _track(self, face: Face, settings: Settings) -> _Track:
        track = self._tracks.get(face.id)
        taken = {other.slot for other in self._tracks.values()}
        slot = track.slot if track else next(i for i in range(len(taken) + 1) if i not in taken)
        person = self._people[(slot + settings.face) % len(self._people)]
        if track is None or track.person is not person:
            # a mirrored photo flips moles and partings: at the start, too, it has to fit clearly better
            plain = 2 * int(np.argmin([abs(view.yaw - face.pose.yaw) for view in person.views[::2]]))
            first = _fitting(person, plain, face.pose.yaw)
            track = self._tracks[face.id] = _Track(slot, person, first, first)
        return track

    def _texture(self, view: View) -> gl.Texture:
        key = id(view)  # views live as long as the effect
        if key not in self._textures:
            height, width = view.pixels.shape[:2]
            self._textures[key] = gl.Texture((width, height), mipmaps=True)
            self._textures[key].upload(np.dstack([view.pixels, view.bare]))
        return self._textures[key]

    def _forget(self, faces: tuple[Face, ...]) -> None:
        for number in self._tracks.keys() - {face.id for face in faces}:
            self._tracks.pop(number).covered.release()
        self._modeller.keep(self._tracks.keys())


def _visible(face: Face) -> bool:
    """Whether more than next to nothing of it would show; else it counts as lost."""
    return bool(face.confidence.mean() >= TRUST[0]) and covered_share(face) <= _HIDDEN


def _layers(track: _Track, face: Face) -> list[tuple[Layer, float]]:
    """The views to draw, with their opacity, the lowest first."""
    _choose_view(track, face.pose.yaw)
    fading = track.fade / _FADE_FRAMES
    shown = [(track.view, 1.0)] if fading >= 1 else [(track.previous, 1.0), (track.view, fading)]
    views = track.person.views
    layers = [(Layer(face, views[index], _yielding(views[index], face)), opacity) for index, opacity in shown]
    lowest = shown[0][0]
    # views come in pairs: see `Person`
    return [(Layer(face, views[lowest ^ 1]), 1.0), *layers] if _one_sided(views[lowest]) else layers


def _yielding(view: View, face: Face) -> float:
    """See `Layer`: a view gives way the more, the further the live head is from its pose."""
    return float(smoothstep(*_POSE_FADE_DEG, abs(view.yaw - face.pose.yaw))) if _one_sided(view) else 0.0


def _choose_view(track: _Track, yaw: float) -> None:
    fitting = _fitting(track.person, track.view, yaw)
    if fitting != track.view and track.fade >= _FADE_FRAMES:
        track.previous, track.view, track.fade = track.view, fitting, 0
    track.fade = min(track.fade + 1, _FADE_FRAMES)


def _fitting(person: Person, now: int, yaw: float) -> int:
    """Index of the view to draw for a head turned by `yaw`: the one drawn `now`, unless another fits clearly better."""
    misfit = [abs(view.yaw - yaw) for view in person.views]
    best = int(np.argmin(misfit))
    return best if misfit[now] - misfit[best] > _HYSTERESIS_DEG else now


def _one_sided(view: View) -> bool:
    return abs(view.yaw) > _ONE_SIDED_DEG


def _side_fade(yaw: float) -> tuple[float, float, float]:
    """Layout x where the far side begins to fade and is gone, and how strongly: nothing below 30° yaw."""
    strength = float(smoothstep(*_SIDE_FADE_DEG, abs(yaw)))
    points = layout()
    axis, edge = float(points[30, 0]), float(points[16, 0] if yaw > 0 else points[0, 0])
    return axis + 0.55 * (edge - axis), axis + 0.95 * (edge - axis), strength
