"""From a decoded video frame to an upright RGB picture: matrix, range, depth, alpha, pixel shape, rotation."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
from av.buffer import Buffer
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from realtime.frame import Pixels

# AVColorSpace (ITU-T H.273 matrix coefficients) → the name swscale has for it.
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
_HD_HEIGHT = 720
_FULL_RANGE = 2

# Planar twins: swscale has a fast way to RGB from these alone (1 ms for 1280x720 instead of 4).
_FAST_TWINS = {"nv12": "yuv420p", "nv21": "yuv420p", "yuyv422": "yuv422p", "uyvy422": "yuv422p"}

# The fast way truncates: up to 3 levels off, 0.9 too dark on average. What has more than 8 bits deserves the exact way
# (about 10 ms for 1280x720).
_FAST = Interpolation.BILINEAR
_EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


_NEARLY = Fraction(1, 10)


class PictureMaker:
    """Turns decoded frames into pictures; keeps the scaler between frames, so one per stream and thread.

    Args:
        pixel_shape: sample aspect ratio, width / height of one pixel; unless it is nearly square, the picture is
            stretched to square pixels.
        unspecified: matrix of frames that do not name theirs; None: BT.709 from 720 lines on, else BT.601.
    """

    def __init__(self, pixel_shape: Fraction | None = None, unspecified: Colorspace | None = None) -> None:
        self._shape = pixel_shape if pixel_shape and pixel_shape > 0 and not nearly_square(pixel_shape) else Fraction(1)
        self._unspecified = unspecified
        self._to_rgb, self._to_planar = VideoReformatter(), VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> Pixels:
        """(H, W, 3) uint8 RGB, full range, upright, pixels (nearly) square, over black where the frame is transparent.

        Raises:
            av.FFmpegError: swscale cannot read this pixel format.
        """
        matrix, full = self._matrix(frame), _is_full_range(frame)
        if frame.format.name in _FAST_TWINS:
            frame = self._to_planar.reformat(frame, format=_FAST_TWINS[frame.format.name], threads=1)
        depth = max(component.bits for component in frame.format.components)
        alpha = any(component.is_alpha for component in frame.format.components)
        width, height = square_size(frame.width, frame.height, self._shape)
        converted = self._to_rgb.reformat(
            frame,
            width=width,
            height=height,
            format="rgba" if alpha else "rgb24",
            src_colorspace=matrix,
            src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=_EXACT if depth > 8 else _FAST,
            threads=1,
        )
        pixels: Pixels = np.ascontiguousarray(converted.to_ndarray(), dtype=np.uint8)
        if alpha:
            pixels = over_black(pixels)
        if _is_grey(frame) and not full:
            # swscale takes every grey for full range
            pixels = np.asarray(cv2.LUT(pixels, _STRETCH), dtype=np.uint8)
        return upright(pixels, _display_matrix(frame))

    def _matrix(self, frame: av.VideoFrame) -> Colorspace:
        if frame.colorspace in _MATRICES:
            return _MATRICES[frame.colorspace]
        if self._unspecified is not None:
            return self._unspecified
        return Colorspace.ITU709 if frame.height >= _HD_HEIGHT else Colorspace.ITU601


def nearly_square(pixel_shape: Fraction) -> bool:
    """Whether pixels are left as stored: resampling would cost sharpness and move coordinates, for nothing seen."""
    return abs(pixel_shape - 1) <= _NEARLY


def square_size(width: int, height: int, pixel_shape: Fraction) -> tuple[int, int]:
    """The size in square pixels: the short way of a pixel is stretched, so that no detail is lost."""
    if pixel_shape >= 1:
        return max(1, round(width * pixel_shape)), height
    return width, max(1, round(height / pixel_shape))


def over_black(pixels: Pixels) -> Pixels:
    """(H, W, 4) RGBA, not premultiplied → (H, W, 3) RGB in front of black."""
    alpha = cv2.cvtColor(np.ascontiguousarray(pixels[..., 3]), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.multiply(cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB), alpha, scale=1 / 255), dtype=np.uint8)


def upright(pixels: Pixels, matrix: np.ndarray | None) -> Pixels:
    """Apply a display matrix (3, 3; a point is a row vector), as far as it turns by quarters and mirrors."""
    if matrix is None:
        return pixels
    (a, b), (c, d) = matrix[0, :2], matrix[1, :2]
    if abs(a) + abs(d) < abs(b) + abs(c):
        pixels, a, d = np.asarray(cv2.transpose(pixels), dtype=np.uint8), c, b
    if a < 0 or d < 0:
        pixels = np.asarray(cv2.flip(pixels, -1 if a < 0 and d < 0 else int(a < 0)), dtype=np.uint8)
    return pixels


def _display_matrix(frame: av.VideoFrame) -> np.ndarray | None:
    if "DISPLAYMATRIX" not in frame.side_data:
        return None
    data: Buffer = frame.side_data["DISPLAYMATRIX"]  # type: ignore[typeddict-item]
    return np.frombuffer(bytes(data), dtype=np.int32).reshape(3, 3)


def _is_grey(frame: av.VideoFrame) -> bool:
    return not frame.format.is_rgb and sum(not part.is_alpha for part in frame.format.components) == 1


def _is_full_range(frame: av.VideoFrame) -> bool:
    name = frame.format.name
    if frame.format.is_rgb or frame.format.has_palette or name.startswith("yuvj"):
        return True
    return bool(frame.color_range == _FULL_RANGE)


# Limited range luma (16...235) → 0...255.
_STRETCH = np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)
