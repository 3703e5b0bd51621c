"""What the whole way of a frame over the GPU must do, on stand-ins (tests/gpu_on_cpu) or on a GPU (tests/gpu)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest

from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.backend import Backend, HostBackend
from realtime.controls import Mode, Settings
from realtime.effects.photo import Person
from realtime.frame import Frame, Pixels
from realtime.gpu.backend import GpuBackend
from realtime.gpu.chain import Chain, MakeChain, StepByStep
from realtime.people import demo_people
from realtime.renderer import Renderer, RenderOptions
from realtime.repair.networks import RepairOptions
from realtime.repair.pace import Level
from realtime.repair.stage import Repair
from realtime.sources.demo import portraits


def swaying(count: int, size: tuple[int, int] = (640, 360)) -> Iterator[Frame]:
    """A portrait that drifts, grows and tilts."""
    portrait = portraits()[0]
    factor = 1.1 * size[1] / portrait.shape[0]
    for index in range(count):
        turn = cv2.getRotationMatrix2D((256, 256), 3 * np.sin(index / 3), factor * (1 + 0.004 * np.sin(index / 7)))
        turn[:, 2] += [size[0] / 2 - 256 + 20 * np.sin(index / 9), size[1] / 2 - 256 + 20]
        pixels = np.asarray(cv2.warpAffine(portrait, turn, size, borderValue=(90, 90, 90)), np.uint8)
        yield Frame(np.ascontiguousarray(pixels), index, index / 30, 0.0)


def swapped(backend: Backend, device: str, frames: list[Frame], people: tuple[Person, ...]) -> list[Pixels]:
    """Them with that face, repaired."""
    repair = Repair(RepairOptions(Level.FAST, threads=1, device=device), mender=backend.mender)
    with open_analyser(AnalysisOptions(threads=1, occlusion=lambda: True), backend) as analyser:
        renderer = Renderer(RenderOptions(people), repair, backend.transfer, backend.modeller, backend.turner)
        renderer.open()
        results = [renderer.draw(frame, analyser.analyse(frame), Settings(Mode.SWAP, repair=True)) for frame in frames]
        renderer.close()
    assert all(len(result.drawn) == 1 for result in results)
    assert repair.status.running is Level.FAST, repair.status.why
    return [result.frame.pixels for result in results]


class LoopTable:
    """`frames` of `size` are drawn. Fixtures: `make_backend`, of a runtime and a kind of chain, and `gpu_runtime`."""

    frames, size = 60, (640, 360)

    @pytest.fixture
    def gpu_runtime(self) -> str:
        return "torch"

    @pytest.fixture
    def make_backend(self) -> Callable[[str, MakeChain], GpuBackend]:
        return lambda runtime, chained: GpuBackend(runtime, print, chained)

    def test_graphs_change_nothing_and_the_cpu_draws_the_same(
        self, gpu_runtime: str, make_backend: Callable[[str, MakeChain], GpuBackend]
    ) -> None:
        """Swap with repair: what the same kernels give one by one, and nearly what the processor gives.

        Not to the bit: a network's last bits may change with where its memory lies, and a point that is off by them may
        fall on the other side of a threshold.
        """
        frames, host = list(swaying(self.frames, self.size)), HostBackend("openvino", 1)
        with open_analyser(AnalysisOptions(threads=1), host) as analyser:
            people = demo_people(analyser)[1:]  # once: a photo's hair begins here or there by less than a last bit
        graphs, steps = (
            swapped(make_backend(gpu_runtime, chained), gpu_runtime, frames, people) for chained in (Chain, StepByStep)
        )
        on_host = swapped(host, "openvino", frames, people)
        for others, mean, most in ((steps, 0.05, 1), (on_host, 0.5, 12)):
            for ours, other in zip(graphs, others, strict=True):
                off = np.abs(ours.astype(int) - other)
                assert off.mean() < mean
                assert np.quantile(off, 0.99) <= most
