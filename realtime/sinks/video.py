"""The recorder: H.264 (VP9 in WebM) with the source's sound, in a file that plays wherever the program is stopped."""

from __future__ import annotations

from pathlib import Path

import av
from av.container import OutputContainer

from realtime.errors import DeviceLostError, OutputError
from realtime.frame import Frame, Result
from realtime.sinks.audio import AudioTrack
from realtime.sinks.base import Sink, SinkOptions
from realtime.sinks.encode import VideoEncoder, x264_options
from realtime.sinks.recorded import RecordedFile

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
        self._file = RecordedFile(path, options.audio)
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
