"""The backend whose frames are on the GPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import engines
from engines import DeviceEngine, EngineError
from engines.nvidia import gpus
from realtime.backend import Backend
from realtime.gpu.chain import Chain, MakeChain
from realtime.gpu.kernels import FaceKernels, FrameKernels, PictureKernels
from realtime.gpu.networks import DeviceCropNet, DeviceNetworks
from realtime.gpu.pictures import Pictures
from realtime.gpu.twins import Twins

if TYPE_CHECKING:
    from realtime.effects.modelling import Modeller
    from realtime.effects.turning import Turner
    from realtime.render.canvas import Canvas
    from realtime.render.transfer import Transfer
    from realtime.repair.mend import Mender

OVERLAYS = ("facial_depth_live", "facial_normals_live")


class GpuBackend(Backend):
    """Frames are sent to the first GPU once, and fetched once, drawn.

    Each of these has a stream: copies of frames up, analysis, overlays, drawing. Frames and the points of faces are
    shared among them.

    Args:
        runtime: "torch" or "tensorrt".
        tell: gets one sentence where OpenGL is elsewhere, so that frames pass through this computer's memory, and
            whatever engines remark.
        chained: makes chains of launches; `StepByStep` for a clock that looks at each. By default graphs.

    Attributes:
        pictures: the frames that are there.

    Raises:
        EngineError: pycuda, the driver, the GPU or the compiled kernels are missing.
    """

    def __init__(self, runtime: str, tell: Callable[[str], None] = print, chained: MakeChain | None = None) -> None:
        if not gpus():
            raise EngineError(
                f"The runtime '{runtime}' needs an NVIDIA GPU and its driver: there is none, take --runtime openvino."
            )
        self._runtime, self._tell, self._chained = runtime, tell, chained or partial(Chain, tell=tell)
        self._kernels, self.pictures, self._faces = FrameKernels(), Pictures(), Twins()
        self._engines: dict[str, DeviceEngine] = {}

    def networks(self) -> DeviceNetworks:
        of_faces = FaceKernels(self._kernels)
        return DeviceNetworks.on(self._load, self._kernels, of_faces, self.pictures, self._faces, self._chained)

    def crop_net(self, name: str) -> DeviceCropNet:
        kernels = FrameKernels() if name in OVERLAYS else self._kernels
        return DeviceCropNet(self._load(name), kernels, self.pictures, name, self._chained)

    def transfer(self) -> Transfer:
        from realtime.gpu.interop import InteropTransfer
        from realtime.render.transfer import BufferTransfer

        try:
            return InteropTransfer(PictureKernels(), self.pictures)
        except EngineError as error:
            self._tell(f"Frames go through the host's memory between CUDA and OpenGL: {error}")
            return BufferTransfer(str(error))

    def modeller(self, canvas: Canvas) -> Modeller:
        from realtime.gpu.interop import InteropTransfer
        from realtime.gpu.model import ModelKernels
        from realtime.gpu.modelling import DeviceModeller
        from realtime.gpu.tone import ToneKernels

        if not isinstance(canvas.transfer, InteropTransfer):
            return super().modeller(canvas)
        kernels, of_tones = ModelKernels(canvas.transfer.kernels), ToneKernels(canvas.transfer.kernels)
        return DeviceModeller(kernels, of_tones, self.pictures, self._faces, canvas.transfer, self._chained)

    def turner(self, canvas: Canvas) -> Turner:
        from realtime.gpu.interop import InteropTransfer
        from realtime.gpu.model import ModelKernels
        from realtime.gpu.turning import DeviceTurner

        if not isinstance(canvas.transfer, InteropTransfer):
            return super().turner(canvas)
        kernels = ModelKernels(canvas.transfer.kernels)
        return DeviceTurner(kernels, self._faces, canvas.transfer, self._chained)

    def mender(self, canvas: Canvas) -> Mender:
        from realtime.gpu.interop import InteropTransfer
        from realtime.gpu.mend import DeviceMender

        if isinstance(canvas.transfer, InteropTransfer):
            return DeviceMender(canvas, canvas.transfer, self._chained)
        return super().mender(canvas)

    def _load(self, name: str) -> DeviceEngine:
        if name not in self._engines:
            engine = engines.load(name, self._runtime)
            if not isinstance(engine, DeviceEngine):
                raise EngineError(f"The runtime '{self._runtime}' computes on no GPU: take torch or tensorrt.")
            for remark in engine.remarks:
                self._tell(remark)
            self._engines[name] = engine
        return self._engines[name]
