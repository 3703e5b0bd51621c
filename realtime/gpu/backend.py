"""The backend whose frames are on the GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engines import EngineError
from engines.nvidia import gpus
from realtime.backend import Backend
from realtime.gpu.kernels import FrameKernels, PictureKernels
from realtime.gpu.networks import DeviceNetworks, DeviceOcclusion
from realtime.gpu.pictures import Pictures

if TYPE_CHECKING:
    from realtime.render.canvas import Canvas
    from realtime.render.transfer import Transfer
    from realtime.repair.mend import Mender


class GpuBackend(Backend):
    """Frames are sent to the first GPU once, and fetched once, drawn.

    Analysis and drawing each have a stream, and share the frames.

    Args:
        runtime: "torch" or "tensorrt".
        tell: gets one sentence where OpenGL is elsewhere, so that frames pass through this computer's memory.

    Attributes:
        pictures: the frames that are there.

    Raises:
        EngineError: pycuda, the driver, the GPU or the compiled kernels are missing.
    """

    def __init__(self, runtime: str, tell: Callable[[str], None] = print) -> None:
        if not gpus():
            raise EngineError(
                f"The runtime '{runtime}' needs an NVIDIA GPU and its driver: there is none, take --runtime openvino."
            )
        self._runtime, self._tell = runtime, tell
        self._kernels, self.pictures = FrameKernels(), Pictures()

    def networks(self) -> DeviceNetworks:
        return DeviceNetworks.on(self._runtime, self._kernels, self.pictures)

    def occlusion(self) -> DeviceOcclusion:
        return DeviceOcclusion.on(self._runtime, self._kernels, self.pictures)

    def transfer(self) -> Transfer:
        from realtime.gpu.interop import InteropTransfer
        from realtime.render.transfer import BufferTransfer

        try:
            return InteropTransfer(PictureKernels(), self.pictures)
        except EngineError as error:
            self._tell(f"Frames go through the host's memory between CUDA and OpenGL: {error}")
            return BufferTransfer(str(error))

    def mender(self, canvas: Canvas) -> Mender:
        from realtime.gpu.interop import InteropTransfer
        from realtime.gpu.mend import DeviceMender

        if isinstance(canvas.transfer, InteropTransfer):
            return DeviceMender(canvas, canvas.transfer)
        return super().mender(canvas)
