"""Video files made on the spot, and an independent conversion to RGB to compare decoded pictures with."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

# ITU-T H.273: matrix coefficients → (Kr, Kb); 2 is "unspecified".
LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
LIMITED, FULL = 1, 2
BLOCK = 16


def block_frame(
    pix_fmt: str, width: int, height: int, rng: np.random.Generator
) -> tuple[av.VideoFrame, list[np.ndarray]]:
    """A frame whose components are constant in blocks of 16x16 pixels, and the components at full size (float64)."""
    frame = av.VideoFrame(width, height, pix_fmt)
    components = []
    for part in frame.format.components:
        scale = 2 ** (part.bits - 8)
        blocks = rng.integers(30 * scale, 225 * scale, (-(-height // BLOCK), -(-width // BLOCK)))
        full = np.kron(blocks, np.ones((BLOCK, BLOCK), dtype=np.int64))
        components.append(full[:height, :width].astype(np.float64))
        plane = frame.planes[part.plane]
        kind = np.uint8 if part.bits == 8 else np.dtype("<u2")
        buffer = np.zeros((plane.height, plane.line_size // np.dtype(kind).itemsize), kind)
        step_x, step_y = -(-width // plane.width), -(-height // plane.height)
        small = full[::step_y, ::step_x][: plane.height, : plane.width]
        buffer[: small.shape[0], : small.shape[1]] = small
        plane.update(buffer.tobytes())
    return frame, components


def inside_blocks(width: int, height: int) -> np.ndarray:
    """(H, W) bool: pixels that no chroma interpolation reaches from the next block."""
    x, y = np.arange(width) % BLOCK, np.arange(height) % BLOCK
    return ((y > 3) & (y < 12))[:, None] & ((x > 3) & (x < 12))[None, :]


def reference_rgb(components: Sequence[np.ndarray], matrix: int, full: bool, bits: int) -> np.ndarray:
    """(H, W, 3) float64 in 0…255 by the equations of ITU-T H.273, section 8.3."""
    scale, top = 2.0 ** (bits - 8), 2.0**bits - 1
    luma = components[0] / top if full else (components[0] / scale - 16) / 219
    if len(components) == 1:
        return np.clip(np.repeat(luma[..., None], 3, axis=2) * 255, 0, 255)
    spans = top if full else 224 * scale
    blue, red = ((part - 128 * scale) / spans for part in components[1:3])
    kr, kb = LUMA_WEIGHTS[matrix]
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    return np.clip(np.stack([r, g, b], axis=-1) * 255, 0, 255)


def numbered(index: int, width: int = 64, height: int = 48) -> np.ndarray:
    """(H, W, 3) uint8: a grey whose level says which frame it is (`number_of`), with a bright top-left corner."""
    pixels = np.full((height, width, 3), 10 + 6 * (index % 32), np.uint8)
    pixels[: height // 4, : width // 4] = 250
    return pixels


def number_of(pixels: np.ndarray) -> int:
    """Which frame of a `numbered` video a decoded picture is."""
    return round((float(pixels[pixels.shape[0] // 2, pixels.shape[1] // 2].mean()) - 10) / 6)


def write_video(
    path: Path,
    pictures: Sequence[np.ndarray | av.VideoFrame],
    codec: str = "mjpeg",
    pix_fmt: str = "yuvj444p",
    rate: int = 30,
    stamps: Sequence[int] | None = None,
    rotation: float = 0.0,
    container_options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    container_format: str | None = None,
    **context: Any,
) -> Path:
    """Encode pictures (arrays are RGB); `stamps` in milliseconds; `context` sets codec context attributes."""
    first = pictures[0]
    height, width = first.shape[:2] if isinstance(first, np.ndarray) else (first.height, first.width)
    with av.open(str(path), "w", format=container_format, options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=codec_options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        base = Fraction(1, 1000) if stamps else Fraction(1, rate)
        stream.codec_context.time_base = base
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        if rotation:
            stream.set_display_rotation(rotation)
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24") if isinstance(picture, np.ndarray) else picture
            frame.pts, frame.time_base = stamps[index] if stamps else index, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def packet_places(path: Path) -> list[tuple[int, int]]:
    """(position, size) in the file of the data of each video packet, in the order of the file."""
    data, places, start = path.read_bytes(), [], 0
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                start = data.index(bytes(packet), start)
                places.append((start, packet.size))
    return places
