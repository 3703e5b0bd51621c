"""What another program sees of the virtual camera: `python -m bench.virtual_camera` on Linux with v4l2loopback loaded.

Frames with a bar code of their number go into the virtual camera and are read back through V4L2, as a browser would.
Prints the device, the picture's error, frames lost, and the delay from `write` to the reader's hands. Where the module
cannot be loaded, `bench/virtual_camera_vm.sh` runs this in a virtual machine.
"""

from __future__ import annotations

import sys
import threading
import time

import av
import numpy as np

from realtime.errors import FacetError
from realtime.frame import Frame, Pixels, Result
from realtime.sinks import open_sink
from realtime.sinks.base import SinkOptions

_SIZE = (640, 480)
_RATE = 30.0
_FRAMES = 150
_BITS = 8
_COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]], np.uint8)


def numbered(number: int) -> Pixels:
    """(480, 640, 3): stripes of red, green, blue and white; below them the number, eight black or white blocks."""
    width, height = _SIZE
    pixels = np.repeat(np.repeat(_COLOURS, width // 4, axis=0)[None], height, axis=0)
    bits = [(number >> bit) & 1 for bit in range(_BITS)]
    pixels[height // 2 :] = np.repeat(np.array(bits, np.uint8) * 255, width // _BITS)[None, :, None]
    return np.ascontiguousarray(pixels)


def number_of(pixels: Pixels) -> int:
    """The number in a picture made by `numbered`."""
    row = pixels[_SIZE[1] * 3 // 4, _SIZE[0] // (2 * _BITS) :: _SIZE[0] // _BITS, 1]
    return int(sum(1 << bit for bit in range(_BITS) if row[bit] > 127))


def main() -> int:
    """Run the measurement; returns the exit status."""
    sent = np.zeros(_FRAMES)
    seen: dict[int, tuple[float, Pixels]] = {}
    try:
        sink = open_sink("virtual", SinkOptions(live=True, rate=_RATE, size=_SIZE))
    except FacetError as error:
        print(error)
        return error.exit_code

    def read(device: str) -> None:
        with av.open(device, format="v4l2") as camera:
            for frame in camera.decode(video=0):
                pixels = frame.to_ndarray(format="rgb24")
                number = number_of(pixels)
                seen.setdefault(number, (time.perf_counter(), pixels))
                if number == _FRAMES - 1:
                    return

    with sink:
        device = sink.name.partition(":")[2]
        sink.write(Result(Frame(numbered(0), 0, 0.0, 0.0)))
        reader = threading.Thread(target=read, args=(device,), daemon=True)
        reader.start()
        while 0 not in seen:
            time.sleep(0.01)
        for number in range(1, _FRAMES):
            due = time.perf_counter() + 1 / _RATE
            sent[number] = time.perf_counter()
            sink.write(Result(Frame(numbered(number), number, 0.0, sent[number])))
            time.sleep(max(due - time.perf_counter(), 0))
        reader.join(2.0)
    numbers = sorted(number for number in seen if number)
    delays = 1000 * np.array([seen[number][0] - sent[number] for number in numbers])
    errors = [_stripe_error(seen[number][1]) for number in numbers]
    print(f"device {device}, {_SIZE[0]}x{_SIZE[1]}, {len(numbers)} of {_FRAMES - 1} frames arrived")
    print(f"delay p50 {np.median(delays):.1f} ms, p95 {np.percentile(delays, 95):.1f} ms")
    print(f"largest error of a stripe's colour {max(errors):.0f} of 255")
    return 0


def _stripe_error(pixels: Pixels) -> float:
    """Against the colours sent, in the middle of each stripe (chroma is stored at half the size)."""
    width = _SIZE[0] // 4
    middles = pixels[_SIZE[1] // 4, width // 2 :: width].astype(float)
    return float(np.abs(middles - _COLOURS).max())


if __name__ == "__main__":
    sys.exit(main())
