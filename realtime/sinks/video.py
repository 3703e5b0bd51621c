"""The recorder: H.264 (VP9 in WebM) with the source's sound, in a file that plays wherever the program is stopped."""

from __future__ import annotations

import os
from pathlib import Path

import av
from av.container import OutputContainer

from realtime.errors import DeviceLostError, OutputError
from realtime.frame import Frame, Result
from realtime.sinks.audio import AudioTrack
from realtime.sinks.base import Sink, SinkOptions
from realtime.sinks.encode import VideoEncoder, x264_options

# Written in fragments, which play without an end; a clean close turns the file into a plain one with an index.
_FRAGMENTS = {"movflags": "hybrid_fragmented+frag_keyframe+empty_moov+default_base_moof"}
_CLUSTERS = {"cluster_time_limit": "1000"}
CONTAINERS: dict[str, tuple[str, dict[str, str]]] = {
    ".mp4": ("mp4", _FRAGMENTS),
    ".mov": ("mov", _FRAGMENTS),
    ".mkv": ("matroska", _CLUSTERS),
    ".webm": ("webm", _CLUSTERS),
}
# Sound and picture are interleaved; where the sound has ended, the picture waits no longer than this (microseconds).
_COMMON = {"flush_packets": "1", "max_interleave_delta": "1000000"}
_VP9 = {
    "deadline": "realtime",
    "cpu-used": "8",
    "crf": "24",
    "b": "0",
    "lag-in-frames": "0",
    "row-mt": "1",
    "threads": "2",
}


class VideoFileSink(Sink):
    """Records to .mp4, .mov, .mkv or .webm.

    Time stamps are the frames' media time, or for a live source the wall clock from the first frame on. The size is
    that of the first frame (made even); frames of another size are fitted in.

    Raises:
        OutputError: the file cannot be opened for writing, or is the source itself.
    """

    lossless = True
    recorder = True

    def __init__(self, path: Path, options: SinkOptions) -> None:
        self.name = str(path)
        self._path = path
        self._options = options
        self._file = _RecordedFile(path, options.audio)
        self._output: OutputContainer | None = None
        self._encoder: VideoEncoder | None = None
        self._audio: AudioTrack | None = None
        self._first_captured = 0.0

    def write(self, result: Result) -> None:
        frame = result.frame
        if self._output is None or self._encoder is None:
            self._output, self._encoder = self._begin(frame)
        time_s = frame.captured - self._first_captured if self._options.live else frame.time_s
        self._output.mux(self._encoder.encode(frame.pixels, time_s))
        if self._audio is not None:
            self._audio.copy_until(time_s)
        self._check_disk()

    def close(self) -> None:
        if self._file.closed:
            return
        if self._output is not None and self._encoder is not None:
            if not self._file.failed:
                self._output.mux(self._encoder.flush())
            if self._audio is not None:
                self._audio.copy_until(self._encoder.end_s)
                self._audio.close()
            self._output.close()
        self._file.close()
        self._check_disk()

    def _begin(self, frame: Frame) -> tuple[OutputContainer, VideoEncoder]:
        kind, options = CONTAINERS[self._path.suffix.lower()]
        self._file.begin()
        self._first_captured = frame.captured
        output = av.open(self._file, "w", format=kind, container_options=options | _COMMON)
        output.metadata.update(self._options.metadata)
        webm = kind == "webm"
        try:
            encoder = VideoEncoder(
                output,
                "libvpx-vp9" if webm else "libx264",
                _VP9 if webm else x264_options(frame.size),
                frame.size,
                self._options.rate,
                self._options.pixel_shape,
            )
            self._audio = AudioTrack.open(self._options.audio, output, "libopus" if webm else "aac")
            output.start_encoding()
        except av.FFmpegError as error:
            raise OutputError(
                f"{self.name} cannot be encoded at {frame.size[0]}x{frame.size[1]} ({error.strerror}):"
                " choose another size or another kind of file."
            ) from error
        return output, encoder

    def _check_disk(self) -> None:
        error = self._file.take_error()
        if error is not None:
            raise DeviceLostError(
                f"Recording to {self.name} stopped ({error.strerror}): what was written until then plays;"
                " free some space or choose another place."
            ) from error


class _RecordedFile:
    """The file FFmpeg writes into. After the first error it drops everything.

    Closing a container writes an index over the file's beginning. On a full disk that would break fragments that
    play as they are: what is on the disk stays as it was when the error came.

    Attributes:
        failed: a write failed.
        closed: nothing can be written any more.
    """

    def __init__(self, path: Path, source: Path | None) -> None:
        """Open `path` without changing what it holds; `source` is a file that must not be written over."""
        self._path = path
        try:
            if source is not None and path.exists() and path.samefile(source):
                raise OutputError(f"Recording to {path} would write over the source itself: choose another name.")
            existed = path.exists()
            path.touch()
            self._file = path.open("r+b", buffering=0)
        except OSError as error:
            raise OutputError(
                f"Recording to {path} is impossible ({error.strerror}): choose a folder that exists and can be written."
            ) from error
        self._position = 0
        self._remove = not existed
        self._error: OSError | None = None
        self.failed = False

    @property
    def closed(self) -> bool:
        return self._file.closed

    def begin(self) -> None:
        """Drop what an older file of this name held."""
        self._remove = False
        try:
            self._file.truncate(0)
        except OSError as error:
            self._error, self.failed = error, True

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest and not self.failed:
            try:
                rest = rest[self._file.write(rest) :]
            except OSError as error:
                self._error, self.failed = error, True
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = self._file.seek(offset, whence) if not self.failed else offset
        return self._position

    def tell(self) -> int:
        return self._position

    def take_error(self) -> OSError | None:
        """The first error, once."""
        error, self._error = self._error, None
        return error

    def close(self) -> None:
        """Close; a file that was made here and never written is removed."""
        self._file.close()
        if self._remove:
            self._path.unlink(missing_ok=True)
