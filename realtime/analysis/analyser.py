"""From a frame to the faces in it: what the loop calls, and its implementation on the CPU."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from realtime.analysis.crop_net import CropNet
from realtime.analysis.cuts import Cuts
from realtime.analysis.eyes_seen import EyesNet
from realtime.analysis.networks import Networks, find_faces
from realtime.analysis.occlusion import OcclusionNet
from realtime.analysis.photo import analyse_photo
from realtime.analysis.surface import FacingNet, ReliefNet
from realtime.analysis.tracker import Tracker
from realtime.backend import Backend, open_backend
from realtime.frame import Face, Frame, Pixels


@dataclass(frozen=True, slots=True)
class AnalysisOptions:
    """How faces are looked for.

    Attributes:
        max_faces: how many at most, 1 to 8.
        smooth: steady the points of tracked faces.
        live: the source is live: search for new faces now and then, not in every frame.
        tracked: consecutive frames belong together (False for a folder of unrelated pictures: every frame is searched
            to the end, nothing is smoothed, every face gets an id of its own).
        hold_s: how long a lost face is still reported, at its last place, in seconds.
        threads: CPU threads per network; None leaves it to the runtime.
        device: what runs the networks, see `engines.load`.
        occlusion: asked once per frame: shall the faces say what is in front of them? None: never.
        relief, facing: the same of their depth and their normals as networks see them.
        eyes: the same of whether lenses hide their eyes.
    """

    max_faces: int = 1
    smooth: bool = True
    live: bool = False
    tracked: bool = True
    hold_s: float = 1.0
    threads: int | None = None
    device: str = "auto"
    occlusion: Callable[[], bool] | None = None
    relief: Callable[[], bool] | None = None
    facing: Callable[[], bool] | None = None
    eyes: Callable[[], bool] | None = None


class Analyser(ABC):
    """Finds the faces of a frame, their 81 points, depth and pose. Used by one thread at a time.

    Attributes:
        runtime: what computes, with version and device, for reports.
    """

    runtime: str

    @abstractmethod
    def analyse(self, frame: Frame) -> tuple[Face, ...]:
        """The faces by id, at most `max_faces`. Frames come in order; the result depends on them and nothing else."""

    @abstractmethod
    def photo(self, pixels: Pixels, name: str) -> tuple[Face, int]:
        """The largest face of a still picture (H, W, 3) as exactly as possible, and how many faces are in it.

        Raises:
            InputError: there is no face in it; the sentence calls the picture `name`.
        """

    def close(self) -> None:  # noqa: B027  the CPU holds nothing that must be given back
        """Release what is held; may be called more than once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class NetworkAnalyser(Analyser):
    """Detector, landmarks, DepthNet and occlusion one after the other on the calling thread.

    Args:
        options: how faces are looked for.
        networks: what finds them, on the CPU or on a GPU.
        look: what runs a network on crops of the frames, by its name.
    """

    def __init__(self, options: AnalysisOptions, networks: Networks, look: Callable[[str], CropNet]) -> None:
        self._networks = networks
        self._occluded = OcclusionNet(look("occlusion")) if options.occlusion else None
        self.runtime = networks.depthnet.runtime
        self._cuts = Cuts() if options.tracked else None
        smooth = options.smooth and options.tracked
        self._tracker = Tracker(options.max_faces, options.hold_s, options.live, smooth, filters=networks.new_filter)
        self._wants_occlusion = options.occlusion
        self._others = [
            (wanted, kind(look(name)))
            for wanted, kind, name in (
                (options.relief, ReliefNet, "facial_depth_live"),
                (options.facing, FacingNet, "facial_normals_live"),
                (options.eyes, EyesNet, "eyes_seen"),
            )
            if wanted is not None
        ]

    def analyse(self, frame: Frame) -> tuple[Face, ...]:
        if self._cuts is None or self._cuts(frame.pixels):
            self._tracker.forget()
        find_faces(self._networks, self._tracker, frame.pixels, frame.time_s, in_one_go=self._cuts is None)
        faces = self._with_occlusion(frame, self._tracker.faces())
        for wanted, network in self._others:
            if wanted():
                faces = network(frame.pixels, faces)
        return faces

    def _with_occlusion(self, frame: Frame, faces: tuple[Face, ...]) -> tuple[Face, ...]:
        if self._occluded is None or self._wants_occlusion is None:
            return faces
        wanted = self._wants_occlusion()
        if not wanted:
            self._occluded.forget()
            return faces
        return self._occluded(frame.pixels, faces, frame.time_s)

    def photo(self, pixels: Pixels, name: str) -> tuple[Face, int]:
        return analyse_photo(self._networks, pixels, name)


def open_analyser(options: AnalysisOptions, backend: Backend | None = None) -> Analyser:
    """The analyser for this machine.

    Args:
        options: how faces are looked for.
        backend: what runs the networks; None opens one for the options' device and threads.

    Raises:
        EngineError: a network is missing or damaged, or the GPU asked for cannot be used.
    """
    backend = backend or open_backend(options.device, options.threads)
    return NetworkAnalyser(options, backend.networks(), backend.crop_net)
