"""Which cameras Linux has, and what they can do: a few Video4Linux queries (linux/videodev2.h), no library."""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from realtime.sources.modes import Device, Mode

Query = Callable[[int, int, bytearray], object]

_CAPTURE = 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE, and the capability bit of the same meaning
_HAS_DEVICE_CAPS = 0x80000000
_DISCRETE = 1  # both of V4L2_FRMSIZE_TYPE_ and V4L2_FRMIVAL_TYPE_


def _request(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | ord("V") << 8 | number


# Struct layouts: reserved words are padding.
_CAPABILITY = struct.Struct("=16s32s32sIII12x")
_FORMAT = struct.Struct("=III32sI4x12x")
_SIZE = struct.Struct("=III6I8x")
_INTERVAL = struct.Struct("=IIIII6I8x")
QUERYCAP = _request(2, 0, _CAPABILITY.size)
ENUM_FORMATS = _request(3, 2, _FORMAT.size)
ENUM_SIZES = _request(3, 74, _SIZE.size)
ENUM_INTERVALS = _request(3, 75, _INTERVAL.size)

# V4L2 pixel format → FFmpeg's name for `input_format`; others (H.264 delays) are not used.
_FORMATS = {
    b"YUYV": "yuyv422",
    b"UYVY": "uyvy422",
    b"MJPG": "mjpeg",
    b"JPEG": "mjpeg",
    b"NV12": "nv12",
    b"YU12": "yuv420p",
    b"GREY": "gray",
    b"RGB3": "rgb24",
    b"BGR3": "bgr24",
}


def list_cameras(folder: Path = Path("/dev"), query: Query = fcntl.ioctl) -> list[Device]:
    """The capture devices /dev/video*, in the order of their numbers.

    Args:
        folder: where the device files are.
        query: the system call (file descriptor, request, buffer to fill).
    """
    nodes = [path for path in folder.glob("video*") if re.fullmatch(r"video\d+", path.name)]
    devices = (_device(path, query) for path in sorted(nodes, key=lambda path: int(path.name[5:])))
    return [device for device in devices if device is not None]


def _device(path: Path, query: Query) -> Device | None:
    """The camera behind a device file, or None where it captures no pictures (metadata, output, codec)."""
    try:
        node = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        return Device(path.name, str(path), (), f"cannot be opened ({error.strerror})")
    try:
        buffer = bytearray(_CAPABILITY.size)
        query(node, QUERYCAP, buffer)
        _, card, _, _, capabilities, own = _CAPABILITY.unpack(buffer)
        if not (own if capabilities & _HAS_DEVICE_CAPS else capabilities) & _CAPTURE:
            return None
        return Device(_text(card), str(path), tuple(_modes(node, query)))
    except OSError:
        return None
    finally:
        os.close(node)


def _modes(node: int, query: Query) -> Iterator[Mode]:
    for (fourcc,) in _enumerated(node, query, ENUM_FORMATS, _FORMAT, (_CAPTURE, 0, b"", 0), slice(4, 5)):
        name = _FORMATS.get(struct.pack("=I", fourcc))
        if name is None:
            continue
        sizes = _enumerated(node, query, ENUM_SIZES, _SIZE, (fourcc, 0, *[0] * 6), slice(2, 9))
        for kind, *extent in sizes:
            # a range is given as least, most and step of width, then of height: its most is what is asked for
            width, height = extent[:2] if kind == _DISCRETE else (extent[1], extent[4])
            yield Mode(name, width, height, tuple(_rates(node, query, fourcc, width, height)))


def _rates(node: int, query: Query, fourcc: int, width: int, height: int) -> Iterator[float]:
    start = (fourcc, width, height, 0, *[0] * 6)
    for kind, *intervals in _enumerated(node, query, ENUM_INTERVALS, _INTERVAL, start, slice(4, 11)):
        seconds, parts = intervals[:2]
        if seconds and parts:
            yield parts / seconds
        if kind != _DISCRETE:
            return


def _enumerated(
    node: int, query: Query, request: int, layout: struct.Struct, rest: tuple[object, ...], wanted: slice
) -> Iterator[tuple[int, ...]]:
    """The wanted fields of answer 0, 1, … until the driver says there are no more."""
    for index in itertools.count():
        buffer = bytearray(layout.pack(index, *rest))
        try:
            query(node, request, buffer)
        except OSError:
            return
        yield layout.unpack(buffer)[wanted]


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode(errors="replace")
