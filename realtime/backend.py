"""What computes, and where frames are meanwhile: on this computer's processor, or on a GPU. Chosen once, at the start.

The stages are the same; a backend makes the parts of them that differ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

import engines
from engines import EngineError
from realtime.analysis.crop_net import CropNet
from realtime.analysis.networks import Networks

if TYPE_CHECKING:  # who only analyses needs no OpenGL
    from realtime.effects.modelling import Modeller
    from realtime.effects.turning import Turner
    from realtime.render.canvas import Canvas
    from realtime.render.transfer import Transfer
    from realtime.repair.mend import Mender

GPU_RUNTIMES = ("tensorrt", "torch")  # of `engines.load`


class Backend(ABC):
    """Makes the parts; EngineError where a network is missing or damaged, or what was asked for cannot be used."""

    @abstractmethod
    def networks(self) -> Networks:
        """What finds and follows faces."""

    @abstractmethod
    def crop_net(self, name: str) -> CropNet:
        """What runs a network that looks at crops of the frames, by its name."""

    @abstractmethod
    def transfer(self) -> Transfer:
        """What carries frames into OpenGL and out of it; made on the thread that draws, its context current."""

    def modeller(self, canvas: Canvas) -> Modeller:
        """What fits source faces onto the faces of a canvas, whose transfer is of this backend."""
        from realtime.effects.modelling import HostModeller

        return HostModeller()

    def turner(self, canvas: Canvas) -> Turner:
        """What turns live heads on a canvas, whose transfer is of this backend."""
        from realtime.effects.turning import HostTurner

        return HostTurner()

    def mender(self, canvas: Canvas) -> Mender:
        """What repairs faces on a canvas, whose transfer is of this backend."""
        from realtime.repair.mend import HostMender

        return HostMender(canvas)


class HostBackend(Backend):
    """Frames are in this computer's memory.

    Args:
        runtime: what runs the networks, see `engines.load`.
        threads: CPU threads per network; None leaves it to the runtime.
    """

    def __init__(self, runtime: str = "auto", threads: int | None = None) -> None:
        self._runtime, self._threads = runtime, threads

    def networks(self) -> Networks:
        return Networks.load(self._threads, self._runtime)

    def crop_net(self, name: str) -> CropNet:
        return CropNet(engines.load(name, self._runtime, self._threads))

    def transfer(self) -> Transfer:
        from realtime.render.transfer import HostTransfer

        return HostTransfer()


def open_backend(runtime: str = "auto", threads: int | None = None, tell: Callable[[str], None] = print) -> Backend:
    """The backend for a runtime of `engines.load`.

    Args:
        runtime: "tensorrt" and "torch" keep frames on the GPU; nothing else is taken in their place.
        threads: CPU threads per network; None leaves it to the runtime.
        tell: gets one sentence where frames cannot get from there to OpenGL directly.

    Raises:
        EngineError: the GPU asked for cannot be used.
    """
    if runtime not in GPU_RUNTIMES:
        return HostBackend(runtime, threads)
    try:  # imported late: only who asks for a GPU has its packages
        from realtime.gpu.backend import GpuBackend
    except ImportError as error:
        raise EngineError(f"The runtime '{runtime}' needs cuda-bindings and pycuda: install both ({error}).") from error
    return GpuBackend(runtime, tell)
