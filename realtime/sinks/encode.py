"""Video encoding that recorder and stream share: RGB to BT.709 Y'CbCr 4:2:0, and an encoder set up for real time."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import cv2
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from realtime.frame import Pixels
from realtime.sinks.fit import even, fit

# Ticks a second of all time stamps: what MPEG-TS uses; the smallest step is the millisecond of Matroska and FLV.
TICKS = 90_000
_STEP = TICKS // 1000
_BT709, _LIMITED = 1, 1  # ITU-T H.273 code points of matrix, primaries and transfer; FFmpeg's AVCOL_RANGE_MPEG


def bt709_limited() -> np.ndarray:
    """(3, 4) float64: full-range R, G, B, 1 in 0…255 → Y' in 16…235, Cb and Cr in 16…240 (ITU-R BT.709-6, 3 and 4)."""
    red, blue = 0.2126, 0.0722
    luma = np.array([red, 1 - red - blue, blue])
    rows = [
        luma * 219 / 255,
        (np.array([0, 0, 1]) - luma) / (2 * (1 - blue)) * 224 / 255,
        (np.array([1, 0, 0]) - luma) / (2 * (1 - red)) * 224 / 255,
    ]
    return np.column_stack([np.array(rows), [16.0, 128.0, 128.0]])


class Yuv420:
    """Converts RGB to planar 4:2:0 in one frame that is filled again every time.

    swscale takes 3 to 7 ms for 1280×720, most of it page faults of fresh pictures; this takes about 1.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        """`size`: (width, height), both even."""
        width, height = size
        self._matrix = bt709_limited().astype(np.float32)
        self._frame = VideoFrame(width, height, "yuv420p")
        self._planes = [
            np.asarray(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
            for plane in self._frame.planes
        ]
        self._full = np.empty((height, width, 3), np.uint8)
        self._half = np.empty((height // 2, width // 2, 3), np.uint8)

    def __call__(self, pixels: Pixels) -> VideoFrame:
        """(height, width, 3) RGB → the yuv420p frame, good until the next call.

        Chroma is the mean of 2×2 pixels: it sits in their middle (H.264 chroma location type 1).
        """
        cv2.transform(pixels, self._matrix, dst=self._full)
        cv2.resize(self._full, self._half.shape[1::-1], dst=self._half, interpolation=cv2.INTER_AREA)
        for channel, (picture, plane) in enumerate(
            zip((self._full, self._half, self._half), self._planes, strict=True)
        ):
            cv2.extractChannel(picture, channel, dst=plane)
        return self._frame


class VideoEncoder:
    """One video stream of an output container; its frames have the size of the first one.

    Attributes:
        stream: the container's stream.
        size: (width, height) of the encoded picture, even.
        end_s: where the last frame ends, in seconds.
    """

    def __init__(
        self,
        output: OutputContainer,
        codec: str,
        options: dict[str, str],
        size: tuple[int, int],
        rate: float | None,
        pixel_shape: Fraction = Fraction(1),
    ) -> None:
        """Add a stream to `output`; `size` is that of the first frame, `rate` nominal frames per second.

        Players stretch each pixel to `pixel_shape`, its width / height.

        Raises:
            av.FFmpegError: the codec does not take this size.
        """
        rate = rate or 25.0
        self.size = even(size)
        self.end_s = 0.0
        self._convert = Yuv420(self.size)
        self._frame_ticks = round(TICKS / rate)
        self._last = -_STEP
        stream = output.add_stream(codec, rate=Fraction(rate).limit_denominator(1001), options=options)
        self.stream = cast(VideoStream, stream)
        context = self.stream.codec_context
        context.width, context.height = self.size
        context.pix_fmt = "yuv420p"
        context.sample_aspect_ratio = pixel_shape
        context.time_base = Fraction(1, TICKS)
        # A key frame a second: so much is lost at most when a file is cut off or a viewer joins a stream.
        context.gop_size = max(round(rate), 1)
        context.color_range = _LIMITED
        context.colorspace = context.color_primaries = context.color_trc = _BT709

    def encode(self, pixels: Pixels, time_s: float) -> list[Packet[VideoStream]]:
        """Encode one (H, W, 3) RGB picture shown from `time_s` on; time stamps are made strictly increasing."""
        frame = self._convert(fit(pixels, self.size))
        frame.pts = self._last = max(round(time_s * TICKS), self._last + _STEP)
        frame.time_base = Fraction(1, TICKS)
        self.end_s = (self._last + self._frame_ticks) / TICKS
        return self._timed(self.stream.encode(frame))

    def flush(self) -> list[Packet[VideoStream]]:
        """The packets still inside the encoder; nothing can be encoded afterwards."""
        return self._timed(self.stream.encode(None))

    def _timed(self, packets: list[Packet[VideoStream]]) -> list[Packet[VideoStream]]:
        for packet in packets:
            packet.duration = self._frame_ticks
        return packets


def x264_options(size: tuple[int, int]) -> dict[str, str]:
    """Settings of libx264 that cost 2 to 4 ms of one core for 1280×720.

    Without look-ahead a frame leaves the encoder as soon as it entered. One thread: the loop needs the other cores;
    above full HD it takes what there is.
    """
    return {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "crf": "19",
        "threads": "1" if size[0] * size[1] <= 1920 * 1088 else "auto",
        "x264-params": "chromaloc=1",
    }
