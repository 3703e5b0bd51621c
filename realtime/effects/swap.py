"""Swap: the face of a photo on the live head, moving as the live face does."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from engines.lstsq import solve
from realtime.controls import Settings
from realtime.effects.base import Effect
from realtime.effects.cover import Covered, covered_share
from realtime.effects.expression import (
    Residual,
    into_source,
    match_mouth,
    shape_gain,
    solve_weights,
)
from realtime.effects.patch import face_patch
from realtime.effects.photo import Person, View
from realtime.effects.regions import reached, regions
from realtime.effects.relight import Relight, Tone
from realtime.effects.sharpness import Sharpness
from realtime.frame import Drawn, Face, Floats, Frame
from realtime.geometry.mesh import face_mesh, layout
from realtime.geometry.topology import LANDMARKS
from realtime.geometry.views import texel_density, view_depth
from realtime.render import gl
from realtime.render.canvas import Canvas
from realtime.render.surface import Cover, Warp

# Another view is taken only when its yaw fits better by this much, and fades in over so many frames.
_HYSTERESIS_DEG = 10.0
_FADE_FRAMES = 5
_SEEDS = 4096
# The far side of the jaw fades out between these yaws, in degrees.
_SIDE_FADE_DEG = (30.0, 55.0)
# Skin is drawn where the landmarks are trusted: transparent at the first, opaque from the second confidence on.
_TRUST = (0.08, 0.25)
# A face of which more than this share is behind something is not drawn.
_HIDDEN = 0.9
# A surface stretched more than tenfold is transparent, less than twofold opaque.
_STRETCH_FADE = (0.1, 0.5)
# A photo turned further than this shows too little of its far side: its mirror image is drawn beneath, and shows where
# it has this much more of the face (`View.share`), the more the further the live head is from the photo's pose.
_ONE_SIDED_DEG = 15.0
_SHARE_FADE = (0.3, 0.45)
_POSE_FADE_DEG = (5.0, 20.0)


@dataclass(slots=True, eq=False)
class _Track:
    """What is remembered of one live face."""

    slot: int
    person: Person
    view: int
    previous: int
    affines: Floats | None = None
    fade: int = _FADE_FRAMES
    residuals: dict[int, Residual] = field(default_factory=dict)
    relight: Relight = field(default_factory=Relight)
    sharpness: Sharpness = field(default_factory=Sharpness)
    covered: Covered = field(default_factory=Covered)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """How a drawn face is made to belong to the frame; the same for all its layers. Fields as in `Warp`."""

    soften: float
    grain: tuple[float, float]
    cover: Cover | None


class Swap(Effect):
    """Draws `people` on the live faces: the first face takes the first person (plus `settings.face`), and so on."""

    synthetic = True

    def __init__(self, people: tuple[Person, ...], live_eyes: bool = True, live_mouth: bool = True) -> None:
        self._people = people
        self._live_eyes, self._live_mouth = live_eyes, live_mouth
        self._mesh = face_mesh()
        self._tracks: dict[int, _Track] = {}
        masks = np.ascontiguousarray(np.round(regions() * 255).astype(np.uint8))
        self._regions = gl.Texture((masks.shape[1], masks.shape[0]))
        self._regions.upload(masks)
        self._openings = reached(self._mesh, masks[..., :2].max(axis=2))
        self._textures: dict[int, gl.Texture] = {}
        self._gain: tuple[float | None, Floats] = (None, shape_gain(None))

    def draw(self, canvas: Canvas, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> dict[int, Drawn]:
        self._forget(faces)
        drawn = {}
        # the furthest face first: nearer ones, which are larger, cover it
        for face in sorted(faces, key=lambda face: face.box[2]):
            result = self._draw_face(canvas, frame, face, settings)
            if result is not None:
                drawn[face.id] = result
        return drawn

    def release(self) -> None:
        self._forget(())
        for texture in (self._regions, *self._textures.values()):
            texture.release()

    def _draw_face(self, canvas: Canvas, frame: Frame, face: Face, settings: Settings) -> Drawn | None:
        track = self._track(face, settings)
        views = track.person.views
        weights = np.broadcast_to(solve_weights(face.confidence), (len(views), LANDMARKS))
        targets = np.broadcast_to(face.landmarks, (len(views), LANDMARKS, 2))
        affines = solve(np.stack([view.solid[:LANDMARKS] for view in views]), targets, weights)
        if np.isfinite(affines).all():
            track.affines = affines
        if track.affines is None or face.confidence.mean() < _TRUST[0] or covered_share(face) > _HIDDEN:
            return None  # next to nothing of it would show: it counts as lost
        affines = track.affines  # the last good ones, where this frame's keypoints determine none
        _choose_view(track, face.pose.yaw)
        look = self._look(track, frame, face, affines[track.view])
        layers = []
        for place, (index, opacity) in enumerate(self._layers(track)):
            points = self._geometry(track, index, affines[index], face, frame.time_s, settings)
            layers.append(self._surface(track, views[index], affines[index], points, face, look, opacity, place == 0))
        canvas.draw(face_patch(face.id, *layers))
        view = views[track.view]
        return Drawn(affines[track.view], view.depth[:LANDMARKS], view.points[:LANDMARKS])

    def _look(self, track: _Track, frame: Frame, face: Face, affine: Floats) -> _Look:
        view = track.person.views[track.view]
        tone = Tone(frame.pixels, face.points)
        track.relight.follow(tone, frame.time_s)
        track.sharpness.look(frame.pixels, face.points)
        soften, grain = track.sharpness.match(view, float(np.sqrt(_scale(affine))))
        return _Look(soften, (grain, float(frame.index % _SEEDS)), track.covered(face.occlusion))

    def _layers(self, track: _Track) -> list[tuple[int, float]]:
        """Views to draw, with their opacity, the lowest first."""
        fading = track.fade / _FADE_FRAMES
        layers = [(track.view, 1.0)] if fading >= 1 else [(track.previous, 1.0), (track.view, fading)]
        lowest = layers[0][0]
        return [(lowest ^ 1, 1.0), *layers] if _one_sided(track.person.views[lowest]) else layers  # pairs: see `Person`

    def _geometry(
        self, track: _Track, index: int, affine: Floats, face: Face, time_s: float, settings: Settings
    ) -> Floats:
        """(81, 2) where the keypoints of a view are drawn."""
        placed = track.person.views[index].solid @ affine[:, :3].T + affine[:, 3]
        residual = into_source(affine, face.points - placed)
        shape, expression = track.residuals.setdefault(index, Residual()).split(residual, time_s)
        moved = self._shape_gain(settings.shape) * shape + settings.expression * expression
        points = (placed + moved @ affine[:, :3].T).astype(np.float32)
        return match_mouth(points, face.points, min(settings.expression, 1.0))

    def _surface(
        self,
        track: _Track,
        view: View,
        affine: Floats,
        points: Floats,
        face: Face,
        look: _Look,
        opacity: float,
        beneath: bool,
    ) -> Warp:
        weights = self._mesh.weights
        source, position = weights @ view.points, weights @ points
        scale = _scale(affine)
        stretch = texel_density(self._mesh, source, position) * scale
        trust = _smoothstep(*_TRUST, weights @ face.confidence) * _smoothstep(*_STRETCH_FADE, stretch)
        if _one_sided(view) and not beneath:
            turned = _smoothstep(*_POSE_FADE_DEG, abs(view.yaw - face.pose.yaw))
            trust *= 1 - turned * (1 - _smoothstep(*_SHARE_FADE, view.share))
        return Warp(
            self._mesh,
            np.column_stack([position, view_depth(affine, weights @ view.solid)]),
            source,
            self._texture(view),
            live=weights @ face.points,
            trust=trust * view.tone.clear,
            regions=self._regions,
            relight=track.relight.transfer(view.tone),
            density=1 / scale,
            live_share=(float(self._live_eyes), float(self._live_mouth)),
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

    def _shape_gain(self, shape: float | None) -> Floats:
        if shape != self._gain[0]:
            self._gain = (shape, shape_gain(shape))
        return self._gain[1]

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


def _scale(affine: Floats) -> float:
    """Output pixels per pixel of the source, as areas, as if the face were not turned."""
    return max(float(np.linalg.norm(affine[0, :2]) * np.linalg.norm(affine[1, :2])), 1e-6)


def _side_fade(yaw: float) -> tuple[float, float, float]:
    """Layout x where the far side begins to fade and is gone, and how strongly: nothing below 30° yaw."""
    strength = float(_smoothstep(*_SIDE_FADE_DEG, abs(yaw)))
    points = layout()
    axis, edge = float(points[30, 0]), float(points[16, 0] if yaw > 0 else points[0, 0])
    return axis + 0.55 * (edge - axis), axis + 0.95 * (edge - axis), strength


def _smoothstep(low: float, high: float, value: float | Floats) -> Floats:
    share = np.clip((np.asarray(value, np.float32) - low) / (high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)
